"""What people read: console, tables, progress, the text of plans. Nothing else prints."""

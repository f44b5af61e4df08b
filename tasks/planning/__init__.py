"""What is found against what should be: inspection, plans, and what refuses them."""

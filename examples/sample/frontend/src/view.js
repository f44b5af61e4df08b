// Draws the tasks. Elements are kept by id, so that focus survives an update.
import { attachmentAddress } from "./api.js";

const element = (id) => document.getElementById(id);
const rows = new Map();

const shown = {
  all: () => true,
  open: (task) => !task.done,
  done: (task) => task.done,
};
const nothing = {
  all: "Nothing to do yet. Add the first task above.",
  open: "All done. Enjoy the quiet.",
  done: "Nothing is done yet.",
};

export function readableSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KB", "MB", "GB"];
  let size = bytes / 1024;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

function makeRow(id, actions) {
  const row = element("task").content.firstElementChild.cloneNode(true);
  const file = row.querySelector("input[type=file]");
  row.querySelector("input[type=checkbox]").addEventListener("change", (event) =>
    actions.setDone(id, event.target.checked),
  );
  row.querySelector(".delete").addEventListener("click", () => actions.remove(id));
  file.addEventListener("change", async () => {
    row.classList.add("busy");
    await actions.attach(id, [...file.files]);
    row.classList.remove("busy");
    file.value = "";
  });
  return row;
}

function fillAttachments(row, task) {
  const holder = row.querySelector(".attachments");
  holder.hidden = task.attachments.length === 0;
  holder.replaceChildren(
    ...task.attachments.map((attachment) => {
      const link = document.createElement("a");
      const size = document.createElement("small");
      link.href = attachmentAddress(task, attachment);
      link.download = attachment.file.name;
      size.textContent = readableSize(attachment.file.size);
      link.append(attachment.file.name, size);
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
}

function fillRow(row, task) {
  const digest = JSON.stringify(task);
  row.querySelector("input[type=checkbox]").checked = task.done;
  if (row.dataset.digest === digest) return;
  row.dataset.digest = digest;
  row.classList.toggle("done", task.done);
  row.querySelector(".title").textContent = task.title;
  row.querySelector("input[type=file]").setAttribute("aria-label", `Attach a file to ${task.title}`);
  row.querySelector(".attach").title = "Attach a file";
  row.querySelector(".delete").setAttribute("aria-label", `Delete ${task.title}`);
  row.querySelector(".delete").title = "Delete";
  fillAttachments(row, task);
}

export function draw(tasks, filter, actions) {
  const visible = tasks.filter(shown[filter]).sort((a, b) => a.done - b.done || b.id - a.id);
  const list = element("tasks");
  const wanted = new Set(visible.map((task) => task.id));
  for (const [id, row] of rows) {
    if (!wanted.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  visible.forEach((task, index) => {
    if (!rows.has(task.id)) rows.set(task.id, makeRow(task.id, actions));
    const row = rows.get(task.id);
    fillRow(row, task);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  const open = tasks.filter((task) => !task.done).length;
  element("summary").textContent = tasks.length
    ? `${open} open, ${tasks.length - open} done`
    : "No tasks yet";
  element("empty").hidden = visible.length > 0;
  element("empty-text").textContent = tasks.length ? nothing[filter] : nothing.all;
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }
}

export function showInfo({ version, max_file_size: limit }) {
  element("version").textContent = version;
  element("limit").textContent = `Files up to ${limit}`;
}

export function showLink(state, text) {
  const link = element("link");
  if (link.dataset.state === state) return;
  link.dataset.state = state;
  link.textContent = text;
}

export function showProblem(text) {
  element("problem").hidden = !text;
  element("problem").textContent = text;
}

export function announce(text) {
  element("announce").textContent = text;
}

// Resolves to true when the person chose to delete.
export function confirmDelete(task) {
  const dialog = element("confirm");
  const files = task.attachments.length;
  const also = files ? ` and its ${files === 1 ? "file" : `${files} files`}` : "";
  element("confirm-question").textContent = `Delete “${task.title}”${also}?`;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

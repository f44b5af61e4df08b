import * as api from "./api.js";
import { listen } from "./live.js";
import * as view from "./view.js";

const tasks = new Map();
const filters = ["all", "open", "done"];
let filter = filters.includes(location.hash.slice(1)) ? location.hash.slice(1) : "all";

// What changed since the newest list was asked for, by id (null: deleted). A list may have been made
// before a change that is known already, and must not undo it.
let since = new Map();
let loads = 0;

const redraw = () => view.draw([...tasks.values()], filter, actions);

function change(id, task) {
  if (task) tasks.set(id, task);
  else tasks.delete(id);
}

function keep(task) {
  since.set(task.id, task);
  change(task.id, task);
  redraw();
}

function forget(id) {
  since.set(id, null);
  change(id, null);
  redraw();
}

// Runs what a person asked for; a failure is shown, and the list drawn as it truly is.
async function attempt(work) {
  try {
    await work();
    view.showProblem("");
  } catch (error) {
    view.showProblem(error.message);
    redraw();
  }
}

const actions = {
  setDone: (id, done) =>
    attempt(async () => {
      const task = await api.setDone(id, done);
      keep(task);
      view.announce(`${task.title} is ${done ? "done" : "open again"}`);
    }),
  attach: (id, files) =>
    attempt(async () => {
      const { success } = await api.attach(id, files);
      const task = tasks.get(id);
      if (task) {
        const known = new Set(task.attachments.map((attachment) => attachment.id));
        const added = success.filter((attachment) => !known.has(attachment.id));
        keep({ ...task, attachments: [...task.attachments, ...added] });
      }
      view.announce(`Attached ${success.map((attachment) => attachment.file.name).join(", ")}`);
    }),
  remove: (id) =>
    attempt(async () => {
      const task = tasks.get(id);
      if (!task || !(await view.confirmDelete(task))) return;
      await api.remove(id);
      forget(id);
      view.announce(`Deleted ${task.title}`);
      document.getElementById("title").focus();
    }),
};

async function load() {
  const mine = ++loads;
  since = new Map();
  const [info, all] = await Promise.all([api.info(), api.list()]);
  if (mine !== loads) return; // a newer list is on its way
  view.showInfo(info);
  tasks.clear();
  for (const task of all) change(task.id, task);
  for (const [id, task] of since) change(id, task);
  redraw();
}

document.getElementById("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.title;
  const title = field.value.trim();
  if (!title) return;
  attempt(async () => {
    const task = await api.create(title);
    field.value = "";
    if (filter === "done") filter = "all";
    keep(task);
    view.announce(`Added ${task.title}`);
  });
});

for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => {
    filter = button.dataset.filter;
    history.replaceState(null, "", filter === "all" ? location.pathname : `#${filter}`);
    redraw();
  });
}

attempt(load);
listen({
  opened: () => {
    view.showLink("live", "Live");
    attempt(load);
  },
  changed: ({ event, id, task }) => {
    if (event === "task.deleted") forget(id);
    else if (task) keep(task);
  },
  lost: () => view.showLink("lost", "Reconnecting"),
});

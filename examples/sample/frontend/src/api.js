// The backend's REST interface. Every call rejects with an Error a person can read.

// The backend puts the site's public address in front of it, as Vikunja's does.
export const api = document.documentElement.dataset.api;

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`${api}${path}`, {
      method,
      headers: body instanceof FormData || !body ? {} : { "content-type": "application/json" },
      body: body instanceof FormData || !body ? body : JSON.stringify(body),
    });
  } catch {
    throw new Error("The server cannot be reached. Nothing was changed.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 413) throw new Error("The file is larger than the server accepts.");
  throw new Error(answer.message || `The server answered ${response.status}.`);
}

export const info = () => call("GET", "/info");
export const list = () => call("GET", "/tasks");
export const create = (title) => call("POST", "/tasks", { title });
export const setDone = (id, done) => call("POST", `/tasks/${id}`, { done });
export const remove = (id) => call("DELETE", `/tasks/${id}`);
export const attachmentAddress = (task, attachment) =>
  `${api}/tasks/${task.id}/attachments/${attachment.id}`;

export function attach(id, files) {
  const form = new FormData();
  for (const file of files) form.append("files", file);
  return call("PUT", `/tasks/${id}/attachments`, form);
}

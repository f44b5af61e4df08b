const answerLimit = 10_000;

export class Unauthorized extends Error {}

async function call(config, token, method, path, body) {
  const response = await fetch(`${config.apiURL}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(answerLimit),
  });
  const answer = await response.json();
  if (response.status === 401) throw new Unauthorized(answer.message);
  if (!response.ok) throw new Error(`${response.status}: ${answer.message}`);
  return answer;
}

// The user of a bearer token, asked of the backend and remembered in redis.
export async function authenticate(config, store, token) {
  if (!token) throw new Unauthorized("a bearer token is needed");
  const key = `vikunja:mcp:token:${token}`;
  const remembered = await store.get(key);
  if (remembered) return JSON.parse(remembered);
  const user = await call(config, token, "GET", "/user");
  await store.set(key, JSON.stringify(user), config.tokenTTL);
  return user;
}

const titled = {
  type: "object",
  properties: { title: { type: "string", description: "What is to be done" } },
  required: ["title"],
};
const numbered = {
  type: "object",
  properties: { id: { type: "integer", description: "The task's id" } },
  required: ["id"],
};

// Name → {description, inputSchema, run(config, token, given)}.
export const tools = {
  list_tasks: {
    description: "List all tasks",
    inputSchema: { type: "object", properties: {} },
    run: (config, token) => call(config, token, "GET", "/tasks"),
  },
  create_task: {
    description: "Create a task",
    inputSchema: titled,
    run: (config, token, given) => call(config, token, "POST", "/tasks", { title: given.title }),
  },
  complete_task: {
    description: "Mark a task as done",
    inputSchema: numbered,
    run: (config, token, given) =>
      call(config, token, "POST", `/tasks/${Number(given.id)}`, { done: true }),
  },
  delete_task: {
    description: "Delete a task",
    inputSchema: numbered,
    run: (config, token, given) => call(config, token, "DELETE", `/tasks/${Number(given.id)}`),
  },
};

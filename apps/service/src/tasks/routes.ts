// Tasks over HTTP.
import { pageOf, startedTask, task, taskEvent, taskEventQuery, taskId, taskQuery } from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { listTaskEvents, listTasks, showTask } from "./task-list.ts";
import { cancelTask, retryTask, type TaskDependencies } from "./tasks.ts";

const byId = z.object({ id: taskId });
const TAG = "tasks";

export function taskRoutes(dependencies: TaskDependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...changeRoutes(dependencies)];
}

function readRoutes({ database: { db } }: TaskDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/tasks",
      operation: "listTasks",
      summary: "Tasks, the newest first",
      tag: TAG,
      right: "tasks.read",
      query: taskQuery,
      answer: pageOf(task),
      handle: ({ query }) => listTasks(db, query),
    }),
    route({
      method: "GET",
      path: "/tasks/:id",
      operation: "readTask",
      summary: "One task",
      tag: TAG,
      right: "tasks.read",
      params: byId,
      answer: task,
      handle: ({ params }) => showTask(db, params.id),
    }),
    route({
      method: "GET",
      path: "/tasks/:id/events",
      operation: "listTaskEvents",
      summary: "What happened in the last attempt at a task, or in another one",
      tag: TAG,
      right: "tasks.read",
      params: byId,
      query: taskEventQuery,
      answer: pageOf(taskEvent),
      handle: ({ params, query }) => listTaskEvents(db, params.id, query),
    }),
  ];
}

function changeRoutes(dependencies: TaskDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/tasks/:id/cancel",
      operation: "cancelTask",
      summary: "End a task that waits or runs",
      tag: TAG,
      right: "tasks.cancel",
      params: byId,
      answer: task,
      handle: ({ actor, params }) => cancelTask(dependencies, signedIn(actor), params.id),
    }),
    route({
      method: "POST",
      path: "/tasks/:id/retry",
      operation: "retryTask",
      summary: "Try again what failed or was cancelled, as a new task",
      tag: TAG,
      // Which right the kind of the task needs besides, the rules know.
      right: "tasks.read",
      params: byId,
      answer: startedTask,
      status: 201,
      creates: true,
      handle: ({ actor, params }) => retryTask(dependencies, signedIn(actor), params.id),
    }),
  ];
}

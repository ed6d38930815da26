/** What people and programs ask the service for, and how often. */
import { randomUUID } from "node:crypto";
import { copyId, deviceId, MANUAL_PLANS, planId, type Scale, taskId } from "./scale.ts";

export interface Wish {
  /** The route and what is special about it. */
  readonly name: string;
  readonly method: "GET" | "POST";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Kind {
  readonly weight: number;
  readonly name: string;
  readonly make: (draw: Draw, scale: Scale) => Omit<Wish, "name">;
}

/** A whole number from 0 to below `end`. */
export type Draw = (end: number) => number;

const get = (path: string): Omit<Wish, "name"> => ({ method: "GET", path });

function cursor(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}

const KINDS: readonly Kind[] = [
  { weight: 12, name: "GET /tasks", make: () => get("/tasks") },
  { weight: 6, name: "GET /tasks?state=failed", make: () => get("/tasks?state=failed") },
  { weight: 6, name: "GET /tasks?state=queued,running", make: () => get("/tasks?state=queued,running") },
  {
    weight: 3,
    name: "GET /tasks?state=failed,warnings,cancelled",
    make: () => get("/tasks?state=failed,warnings,cancelled"),
  },
  {
    weight: 2,
    name: "GET /tasks?kind=verify&state=failed",
    make: () => get("/tasks?kind=verify&state=failed"),
  },
  {
    weight: 5,
    name: "GET /tasks?plan",
    make: (draw, { plans }) => get(`/tasks?plan=${planId(draw(plans))}`),
  },
  {
    weight: 5,
    name: "GET /tasks?device&state",
    make: (draw, { agents }) => get(`/tasks?device=${deviceId(draw(agents))}&state=failed,warnings`),
  },
  {
    weight: 6,
    name: "GET /tasks?cursor",
    make: (draw, { tasks }) => get(`/tasks?cursor=${cursor(taskId(1 + draw(tasks)))}`),
  },
  { weight: 9, name: "GET /tasks/:id", make: (draw, { tasks }) => get(`/tasks/${taskId(1 + draw(tasks))}`) },
  {
    weight: 5,
    name: "GET /tasks/:id/events",
    make: (draw, { tasks }) => get(`/tasks/${taskId(1 + draw(tasks))}/events`),
  },
  { weight: 6, name: "GET /copies", make: () => get("/copies") },
  {
    weight: 4,
    name: "GET /copies?plan",
    make: (draw, { plans }) => get(`/copies?plan=${planId(draw(plans))}`),
  },
  {
    weight: 3,
    name: "GET /copies?device",
    make: (draw, { agents }) => get(`/copies?device=${deviceId(draw(agents))}`),
  },
  {
    weight: 3,
    name: "GET /copies?cursor",
    make: (draw) =>
      get(`/copies?cursor=${cursor(`${String(Date.now() - draw(30 * 86_400_000))} ${"f".repeat(64)}`)}`),
  },
  {
    weight: 4,
    name: "GET /copies/:id",
    // Each tenth is forgotten.
    make: (draw, { copies }) => get(`/copies/${copyId(1 + 10 * draw(copies / 10))}`),
  },
  { weight: 4, name: "GET /plans", make: () => get("/plans") },
  { weight: 3, name: "GET /plans/:id", make: (draw, { plans }) => get(`/plans/${planId(draw(plans))}`) },
  { weight: 4, name: "GET /devices", make: () => get("/devices") },
  { weight: 1, name: "GET /repositories", make: () => get("/repositories") },
  { weight: 2, name: "GET /audit", make: () => get("/audit") },
  { weight: 2, name: "GET /session", make: () => get("/session") },
  {
    weight: 5,
    name: "POST /plans/:id/run",
    make: (draw, { plans }) => ({
      method: "POST",
      path: `/plans/${planId(plans + draw(MANUAL_PLANS))}/run`,
      body: {},
      headers: { "idempotency-key": randomUUID() },
    }),
  },
];

const TOTAL = KINDS.reduce((sum, { weight }) => sum + weight, 0);

export function drawWish(draw: Draw, scale: Scale): Wish {
  let left = draw(TOTAL);
  for (const { weight, name, make } of KINDS) {
    if (left < weight) return { name, ...make(draw, scale) };
    left -= weight;
  }
  throw new Error("the weights do not add up");
}

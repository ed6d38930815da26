/**
 * The frames of the channel between agent and service (docs/protocol.md, section 3).
 *
 * @module
 */
import { z } from "zod";
import { base64, count, deviceId, errorRecord, instant, leaseId, line, method, runId } from "../values.ts";
import { EVENTS_UNACKNOWLEDGED_MAX, RUNS_MAX } from "../limits.ts";
import { disk, DISKS_MAX } from "./disks.ts";
import { agentTask } from "./tasks.ts";

export const platform = z.object({
  system: z.enum(["linux", "darwin", "win32", "other"]),
  release: line(200),
  architecture: line(40),
  hostname: line(253),
});
export type Platform = z.infer<typeof platform>;

export const runEvent = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("started") }),
  z.object({
    kind: z.literal("log"),
    level: z.enum(["info", "warning", "error"]),
    text: z.string().max(4000),
  }),
  z.object({
    kind: z.literal("warning"),
    code: z.string().max(64),
    path: z.string().max(4096),
    message: z.string().max(4000),
  }),
  /** Checked against `taskResults` by who knows the task's kind. */
  z.object({ kind: z.literal("succeeded"), result: z.json() }),
  z.object({ kind: z.literal("failed"), error: errorRecord }),
  z.object({ kind: z.literal("cancelled") }),
]);
export type RunEvent = z.infer<typeof runEvent>;

export const END_KINDS: ReadonlySet<RunEvent["kind"]> = new Set(["succeeded", "failed", "cancelled"]);

export const runProgress = z.object({
  files: count.optional(),
  bytes: count.optional(),
  filesTotal: count.optional(),
  bytesTotal: count.optional(),
  bytesPerSecond: z.number().nonnegative().optional(),
});
export type RunProgress = z.infer<typeof runProgress>;

export const agentRequest = z.discriminatedUnion("kind", [
  /** X-Wing public key: 1216 bytes (docs/format.md, section 3.2). */
  z.object({ kind: z.literal("lease"), run: runId, publicKey: base64(1216) }),
  /** PKCS #10, DER. */
  z.object({ kind: z.literal("renew"), certificateRequest: base64(8192) }),
]);
export type AgentRequest = z.infer<typeof agentRequest>;

export const agentAnswer = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("lease"), lease: leaseId, until: instant, sealed: base64(256 * 1024) }),
  z.object({ kind: z.literal("renew"), certificate: z.string().max(16_384) }),
]);
export type AgentAnswer = z.infer<typeof agentAnswer>;

const requestNumber = z.int().positive();
const eventNumber = z.int().positive();

/** What an agent sends. */
export const agentMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    version: line(40),
    platform,
    methods: z.array(method).max(8),
    /** Absent of agents that do not know them. */
    disks: z.array(disk).max(DISKS_MAX).optional(),
    runs: z.array(z.object({ run: runId, nextEvent: eventNumber })).max(RUNS_MAX),
  }),
  z.object({
    type: z.literal("event"),
    run: runId,
    number: eventNumber.max(10 * EVENTS_UNACKNOWLEDGED_MAX * 1000),
    at: instant,
    event: runEvent,
  }),
  z.object({ type: z.literal("progress"), run: runId, progress: runProgress }),
  z.object({ type: z.literal("request"), id: requestNumber, request: agentRequest }),
  z.object({ type: z.literal("beat") }),
]);
export type AgentMessage = z.infer<typeof agentMessage>;

/** What the service sends. */
export const serviceMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("welcome"),
    device: deviceId,
    heartbeatMs: z.int().positive(),
    leaseMs: z.int().positive(),
  }),
  z.object({ type: z.literal("start"), run: runId, task: agentTask }),
  z.object({ type: z.literal("cancel"), run: runId, reason: line(400) }),
  z.object({ type: z.literal("acknowledge"), run: runId, number: eventNumber }),
  z.object({ type: z.literal("answer"), id: requestNumber, answer: agentAnswer }),
  z.object({ type: z.literal("refusal"), id: requestNumber, error: errorRecord }),
  z.object({
    type: z.literal("beat"),
    leases: z.array(z.object({ lease: leaseId, until: instant })).max(RUNS_MAX * 4),
  }),
]);
export type ServiceMessage = z.infer<typeof serviceMessage>;

/**
 * Lets a device send the bytes of its run, once (docs/protocol.md, section 7).
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { runId, UPLOAD_FRAME_BYTES_MAX, UPLOAD_SUBPROTOCOL, UPLOADS_PATH } from "@holdfast/protocol";
import { WebSocketServer } from "ws";
import { answerRefusal, answerUpgrade } from "../channel/channel-server.ts";
import type { Db } from "../database/database.ts";
import { authorizeDevice, type AuthorizationDependencies } from "../devices/device-authorization.ts";
import { ACTIVE_RUN_STATES } from "../tasks/run-end.ts";
import { brokenOff, takeTransfer } from "./transfer.ts";
import type { Transfers } from "./transfers.ts";

export interface UploadServerDependencies extends AuthorizationDependencies {
  readonly db: Db;
  readonly transfers: Transfers;
  readonly failed: (error: unknown) => void;
}

/** Answers upgrade requests of `server` below {@link UPLOADS_PATH}. */
export function attachUploads(server: Server, dependencies: UploadServerDependencies): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: UPLOAD_FRAME_BYTES_MAX,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(UPLOAD_SUBPROTOCOL) ? UPLOAD_SUBPROTOCOL : false),
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url?.startsWith(UPLOADS_PATH) !== true) return;
    socket.on("error", ignore);
    admit(dependencies, sockets, request, socket, head).catch((error: unknown) => {
      dependencies.failed(error);
      socket.destroy();
    });
  });
}

async function admit(
  dependencies: UploadServerDependencies,
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  if (!(socket instanceof TLSSocket)) return refuse(socket);
  const identity = await authorizeDevice(dependencies, dependencies.db, socket);
  if (typeof identity === "string") {
    answerRefusal(socket, identity);
    return undefined;
  }
  const run = runId.safeParse(request.url?.slice(UPLOADS_PATH.length));
  if (!run.success) return refuse(socket);
  const task = await taskOfRun(dependencies.db, run.data, identity.deviceId);
  if (task === undefined || socket.destroyed) return refuse(socket);
  const accept = dependencies.transfers.claim(task, identity.deviceId);
  if (accept === undefined) return refuse(socket);
  let isOpen = false;
  const lost = (): void => {
    // Nobody else can take its place: the one who waits is told.
    if (!isOpen) accept(Promise.reject(brokenOff()));
  };
  socket.once("close", lost);
  sockets.handleUpgrade(request, socket, head, (ws) => {
    isOpen = true;
    socket.off("error", ignore);
    accept(takeTransfer(ws));
  });
  return undefined;
}

/** The download that this device carries out by this run, while its lease lasts. */
async function taskOfRun(db: Db, run: string, deviceId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("runs")
    .innerJoin("tasks", "tasks.id", "runs.task_id")
    .innerJoin("leases", "leases.run_id", "runs.id")
    .select("tasks.id")
    .where("runs.id", "=", run)
    .where("runs.device_id", "=", deviceId)
    .where("runs.state", "in", ACTIVE_RUN_STATES)
    .where("tasks.kind", "=", "download")
    .where("tasks.cancel_requested_at", "is", null)
    .where("leases.ended_at", "is", null)
    .executeTakeFirst();
  return row?.id;
}

/** One answer for all that is wrong with a run, so that nothing is learnt of runs of others. */
function refuse(socket: Duplex): void {
  answerUpgrade(socket, 409, {
    code: "ERR_LEASE_REFUSED",
    detail: "Nobody waits here for bytes of this run.",
  });
}

function ignore(): void {}

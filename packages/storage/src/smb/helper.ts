/**
 * The program of a helper process: requests come and answers go through file descriptor 3. The library writes to standard
 * output what it pleases, so that is not used.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { Channel } from "./channel.ts";
import { LibraryError } from "./library.ts";
import type { Failure, Request } from "./messages.ts";
import { CallError } from "./native-values.ts";
import { LockError, ShareModeError } from "./publish.ts";
import { Session, StageError } from "./session.ts";

const CHANNEL_DESCRIPTOR = 3;
const CONFIGURATION = join(import.meta.dirname, "home", ".smb", "smb.conf");

function describe(error: unknown): Failure {
  if (error instanceof StageError) return { stage: error.stage, errno: error.errno };
  if (error instanceof CallError) return { stage: "call", errno: error.errno };
  if (error instanceof LibraryError) return { stage: "library", errno: "ENOENT" };
  if (error instanceof ShareModeError) return { stage: "share-modes", errno: "ENOTSUP" };
  if (error instanceof LockError) return { stage: "lock", errno: "EBUSY" };
  return { stage: "call", errno: "EIO" };
}

function serve(channel: Channel): void {
  let session: Session | undefined;
  for (;;) {
    const request: Request | undefined = channel.readRequest();
    if (request === undefined) return;
    try {
      if (request.op === "connect") {
        session = new Session(request, CONFIGURATION, channel);
        channel.send({ kind: "done" });
      } else if (session !== undefined) {
        channel.send(session.run(request));
      }
    } catch (error) {
      channel.send({ kind: "failed", failure: describe(error) });
    }
  }
}

try {
  serve(new Channel(CHANNEL_DESCRIPTOR));
} catch {
  // The driver closed the socket in the midst of an answer.
}
// The sockets close with the process.
process.exit(0);

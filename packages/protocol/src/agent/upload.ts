/**
 * How an agent hands bytes of a copy to the service, for a browser that waits for them (docs/protocol.md, section 7).
 *
 * @module
 */
import { z } from "zod";
import { count } from "../values.ts";
import { ARCHIVE_FORMS } from "./tasks.ts";

/** Behind it comes the id of the run. */
export const UPLOADS_PATH = "/agent/v1/uploads/";
export const UPLOAD_SUBPROTOCOL = "holdfast.upload.1";
/** Of a frame of bytes. */
export const UPLOAD_FRAME_BYTES_MAX = 1024 * 1024;

export const UPLOAD_CLOSE_CODES = {
  /** All of it has left the service. */
  done: 1000,
  /** Nobody waits for it any more. */
  stopped: 4010,
  /** It was not what it should be. */
  refused: 4011,
} as const;

/** The first frame, text. */
export const uploadHead = z.object({
  form: z.enum(["file", ...ARCHIVE_FORMS]),
  /** Of the file or folder, for people. */
  name: z.string().max(4096),
  /** Of the bytes that follow; unknown for archives. */
  size: count.optional(),
  /** Of a file of which a part follows. */
  part: z.object({ from: count, total: count }).optional(),
});
export type UploadHead = z.infer<typeof uploadHead>;

/** The last frame, text: without it what came is not whole. */
export const uploadEnd = z.object({ bytes: count });

/**
 * Asks for a secret at the terminal, without showing what is typed. It is bytes all the way: a string could not be
 * overwritten afterwards.
 *
 * @module
 */
import process from "node:process";
import { secretBuffer } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import { cancelled } from "./interrupt.ts";

const SECRET_BYTES_MAX = 4096;
const BACKSPACE = 0x08;
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const DELETE = 0x7f;
const LINE_ENDS: ReadonlySet<number> = new Set([0x0a, 0x0d]);

/** Whether there is somebody to ask. */
export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/**
 * What is typed up to the end of the line; the caller wipes it.
 *
 * @throws AppError `ERR_CANCELLED` after Ctrl-C, Ctrl-D or a signal, `ERR_KEY_FORMAT` for more than 4096 bytes.
 */
export async function promptSecret(question: string, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted();
  const { stdin, stderr } = process;
  const line = new SecretLine();
  stderr.write(question);
  stdin.setRawMode(true);
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(cancelled("Interrupted."));
      const onData = (chunk: Buffer): void => {
        try {
          if (line.take(chunk)) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        } finally {
          chunk.fill(0);
        }
      };
      const onEnd = (): void => settle(() => reject(cancelled("The terminal was closed.")));
      const settle = (finish: () => void): void => {
        stdin.off("data", onData).off("end", onEnd);
        signal.removeEventListener("abort", onAbort);
        finish();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      stdin.on("data", onData).on("end", onEnd).resume();
    });
    return line.finish();
  } finally {
    line.wipe();
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

/** A line being typed. */
export class SecretLine {
  readonly #bytes = secretBuffer(SECRET_BYTES_MAX);
  #length = 0;

  /** Takes what came from the terminal; true when the line has ended. @throws as {@link promptSecret}. */
  take(chunk: Uint8Array): boolean {
    for (const byte of chunk) {
      if (LINE_ENDS.has(byte)) return true;
      if (byte === CTRL_C || (byte === CTRL_D && this.#length === 0)) throw cancelled("Interrupted.");
      if (byte === BACKSPACE || byte === DELETE) this.#erase();
      else if (byte === CTRL_U) this.wipe();
      else if (byte >= 0x20) this.#append(byte);
    }
    return false;
  }

  /** A copy of what was typed. */
  finish(): Buffer {
    const typed = secretBuffer(this.#length);
    typed.set(this.#bytes.subarray(0, this.#length));
    return typed;
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }

  #append(byte: number): void {
    if (this.#length === SECRET_BYTES_MAX) {
      throw new AppError("ERR_KEY_FORMAT", "What was typed is too long for a passphrase.", {
        remedy: `At most ${String(SECRET_BYTES_MAX)} bytes are taken.`,
      });
    }
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** One character, which in UTF-8 may be several bytes. */
  #erase(): void {
    let isWhole = this.#length === 0;
    while (!isWhole) {
      this.#length -= 1;
      isWhole = this.#length === 0 || ((this.#bytes[this.#length] ?? 0) & 0xc0) !== 0x80;
      this.#bytes[this.#length] = 0;
    }
  }
}

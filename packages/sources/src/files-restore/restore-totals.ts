import type { RestoreNotice, RestoreRequest, RestoreSummary } from "./request.ts";

/** What a restore has done so far; tells whoever wants to know. */
export class RestoreTotals {
  files = 0;
  folders = 0;
  skipped = 0;
  damaged = 0;
  #bytes = 0;
  #warnings = 0;
  readonly #request: RestoreRequest;
  readonly #bytesTotal: number;

  constructor(request: RestoreRequest) {
    this.#request = request;
    this.#bytesTotal = request.copy.table.root.bytes;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
    this.#request.onProgress?.({ files: this.files, bytes: this.#bytes, bytesTotal: this.#bytesTotal });
  }

  notice(notice: RestoreNotice): void {
    this.#warnings += 1;
    this.#request.onWarning?.(notice);
  }

  summary(seconds: number): RestoreSummary {
    const { files, folders, skipped, damaged } = this;
    return { files, folders, skipped, bytes: this.#bytes, seconds, warnings: this.#warnings, damaged };
  }
}

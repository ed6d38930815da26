/**
 * Looks into the copies of a repository.
 *
 * @module
 */
import { type Copy, type CopyList, openCopyReader, type ReadRecord, resolveCopy } from "@holdfast/repository";
import type { CommandCall } from "./command-call.ts";
import { accessRepository, type RepositoryAccess } from "./repository-access.ts";

export interface ReadingAccess extends RepositoryAccess {
  readonly copies: CopyList<Copy>;
  /** @throws AppError `ERR_COPY_NOT_FOUND`, `ERR_COPY_AMBIGUOUS`. */
  readonly copy: (wanted: string) => Copy;
  readonly readRecord: ReadRecord;
}

/** Opens the repository for reading, with its index; to be disposed of. */
export async function accessForReading(call: CommandCall): Promise<ReadingAccess> {
  const { output, signal } = call;
  const access = await accessRepository(call, ["read"]);
  try {
    const reader = await openCopyReader(access.repository, {
      signal,
      onDamagedIndex: (_, { code, message, remedy }) => output.warning({ code, message, remedy }),
    });
    const copies = await reader.listCopies();
    return {
      ...access,
      copies,
      copy: (wanted) => resolveCopy(copies, wanted),
      readRecord: reader.readRecord,
      [Symbol.asyncDispose]: async () => {
        reader[Symbol.dispose]();
        await access[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await access[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * What Node lacks of Windows, by path. Results: a value or 0, or the negated error code of Windows (winerror.h).
 *
 * @module
 */
import type { NativeFunction } from "../load-koffi.ts";

export interface WindowsCalls {
  /** WIN32_FILE_ATTRIBUTE_DATA, of a link itself. */
  readonly attributeData: (path: string) => Buffer | number;
  readonly setAttributes: (path: string, bits: number) => number;
  /** FILETIME; of a link itself. */
  readonly setCreated: (path: string, ticks: bigint) => number;
  /** Owner, group and DACL, self-relative. Follows links. */
  readonly security: (path: string) => Buffer | number;
  readonly setSecurity: (path: string, information: number, descriptor: Buffer) => number;
  /** WIN32_FIND_STREAM_DATA of each stream. */
  readonly streams: (path: string) => readonly Buffer[] | number;
  /** REPARSE_DATA_BUFFER. */
  readonly reparsePoint: (path: string) => Buffer | number;
  /** NTFS compression of a file or, for what is made in it later, of a folder. */
  readonly compress: (path: string) => number;
  /** EFS: with the key of whoever restores. */
  readonly encrypt: (path: string) => number;
  readonly makeSparse: (path: string) => number;
}

/** Declares a function of a library: name, result and parameters in the words of koffi. */
export type Declare = (library: string, name: string, result: string, parameters: string) => NativeFunction;

export const WIN32_ERROR = {
  fileNotFound: 2,
  accessDenied: 5,
  handleEof: 38,
  notSupported: 50,
  invalidParameter: 87,
} as const;

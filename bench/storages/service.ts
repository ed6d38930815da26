/** What is measured on one kind of storage: a real server on this machine, and the programs that use it. */
import type { Command } from "../measure.ts";
import type { Content } from "./source.ts";

export const kindNames = ["sftp", "s3", "azure", "webdav", "smb-signed", "smb-encrypted"] as const;
export type KindName = (typeof kindNames)[number];

/** Folders and files of this machine. */
export interface Place {
  /** Holds plain files and folders only. */
  readonly source: string;
  /** Empty; the files of the source come back somewhere below it. */
  readonly target: string;
  /** Of one run, for whatever the program keeps. */
  readonly scratch: string;
}

/** A program that moves the files of the source to the server and back. */
export interface Client {
  readonly name: string;
  /** What it can move; everything unless said. */
  readonly handles?: readonly Content[];
  /** What must be there before the upload, or be gone; not measured. */
  prepare(place: Place): readonly Command[];
  upload(place: Place): Command;
  download(place: Place): Command;
}

/** A server that runs until it is disposed. */
export interface Service extends AsyncDisposable {
  readonly port: number;
  /** Holdfast first, then the protocol's own tools that are to be had; all reach the server through `port` of this machine. */
  clients(port: number, folder: string): readonly Client[];
}

export interface Kind {
  readonly name: KindName;
  /** Why it cannot be measured here; undefined when it can. */
  readonly missing: () => string | undefined;
  start(folder: string): Promise<Service>;
}

/** Those that are to be had. */
export function present(clients: readonly (Client | undefined)[]): readonly Client[] {
  return clients.filter((client) => client !== undefined);
}

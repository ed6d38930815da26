/**
 * Whether a connection is encrypted, told from the outside.
 *
 * libsmbclient (seen in 4.17) encrypts only in the course of its question for DFS, which it asks no server that knows no
 * DFS, and it goes on in plain text when that fails, also when told that encryption is required. It cannot be asked either.
 * But it can be measured: a name that is not there is answered with errors of exactly 77 bytes each (a length of 4, a header
 * of 64, a body of 9: MS-SMB2 2.1, 2.2.1, 2.2.2), and the header of an encrypted message adds 52 (2.2.41). The system counts
 * the bytes of our own socket (tcp(7), TCP_INFO), which an attacker on the network cannot bring to agree with plain text.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import type Koffi from "koffi";

const ERROR_LENGTH = 4 + 64 + 9;
const ENCRYPTED_ERROR_LENGTH = ERROR_LENGTH + 52;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `tcpi_bytes_received` of `struct tcp_info`, 64 bits, since Linux 4.1. */
const BYTES_RECEIVED_OFFSET = 128;
const SOCKET_ADDRESS_LENGTH = 128;
const AF_INET = 2;
const AF_INET6 = 10;

type NativeFunction = (...values: readonly (number | Uint8Array)[]) => unknown;

/** @param missingName asks the server for something that is not there, any number of times. */
export function isEncrypted(koffi: typeof Koffi, port: number, missingName: () => void): boolean {
  const library = koffi.load(null);
  const peer: NativeFunction = library.func("getpeername", "int", ["int", "void *", "void *"]);
  const option: NativeFunction = library.func("getsockopt", "int", ["int", "int", "int", "void *", "void *"]);
  const sockets = readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => remotePort(peer, descriptor) === port);
  const [socket, ...others] = sockets;
  if (socket === undefined || others.length > 0) return false;
  const before = bytesReceived(option, socket);
  missingName();
  const length = bytesReceived(option, socket) - before;
  return length > 0 && length % ENCRYPTED_ERROR_LENGTH === 0 && length % ERROR_LENGTH !== 0;
}

/** `sin_port` and `sin6_port` are at the same place. */
function remotePort(peer: NativeFunction, descriptor: number): number | undefined {
  const address = Buffer.alloc(SOCKET_ADDRESS_LENGTH);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  if (peer(descriptor, address, length) !== 0) return undefined;
  const family = address.readUInt16LE(0);
  return family === AF_INET || family === AF_INET6 ? address.readUInt16BE(2) : undefined;
}

function bytesReceived(option: NativeFunction, socket: number): number {
  const info = Buffer.alloc(256);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  const result = option(socket, IPPROTO_TCP, TCP_INFO, info, length);
  if (result !== 0 || length.readUInt32LE(0) < BYTES_RECEIVED_OFFSET + 8) return Number.NaN;
  return Number(info.readBigUInt64LE(BYTES_RECEIVED_OFFSET));
}

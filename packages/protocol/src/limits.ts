// Bounds of the agent protocol (docs/protocol.md).

export const FRAME_BYTES_MAX = 1024 * 1024;
export const BEAT_MS = 15_000;
/** So much silence closes the channel. */
export const SILENCE_MS = 3 * BEAT_MS;
export const LEASE_MS = 15 * 60_000;
/**
 * A device that has been silent for so long has lost its runs. When it is the service that fell silent, the device notices up to a beat
 * after SILENCE_MS and dials again; what was written down of it last is older by a beat and some seconds.
 */
export const DEVICE_LOST_MS = 2 * SILENCE_MS;
export const LEASES_PER_RUN_MAX = 4;
export const ENROLMENT_CODE_MS = 15 * 60_000;
export const RUNS_MAX = 64;
export const EVENTS_UNACKNOWLEDGED_MAX = 10_000;

/** The server name by which an agent asks for the certificate that its authority issued. */
export const AGENT_SERVER_NAME = "agents.holdfast.internal";
export const CHANNEL_PATH = "/agent/v1/channel";
export const ENROLL_PATH = "/agent/v1/enroll";
export const CHANNEL_SUBPROTOCOL = "holdfast.agent.1";

/** Why a channel was closed (RFC 6455, section 7.4.2: 4000 to 4999 are for applications). */
export const CLOSE_CODES = {
  disabled: 4001,
  version: 4002,
  replaced: 4003,
  stopping: 4004,
  /** The client certificate has ended: connect again with the renewed one. */
  certificate: 4005,
} as const;

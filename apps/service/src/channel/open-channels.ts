/**
 * All connections of devices to this process, also those that have not said `hello` or are being closed. A device has one, or two
 * for a moment; one in wrong hands cannot keep many, each with a frame that never ends.
 *
 * @module
 */
import type { Channel } from "./channel.ts";

const PER_DEVICE_MAX = 4;

export interface OpenChannels extends Iterable<Channel> {
  /** Cuts the device's oldest one when there are too many. */
  readonly add: (channel: Channel) => void;
  readonly delete: (channel: Channel) => void;
}

export function createOpenChannels(): OpenChannels {
  const byDevice = new Map<string, Set<Channel>>();
  return {
    add: (channel) => {
      const { deviceId } = channel.identity;
      const own = byDevice.get(deviceId) ?? new Set();
      byDevice.set(deviceId, own);
      own.add(channel);
      // What is cut leaves when its socket is closed: until then the next oldest is not in its place.
      if (own.size > PER_DEVICE_MAX)
        for (const oldest of [...own].slice(0, -PER_DEVICE_MAX)) oldest.terminate();
    },
    delete: (channel) => {
      const { deviceId } = channel.identity;
      const own = byDevice.get(deviceId);
      own?.delete(channel);
      if (own?.size === 0) byDevice.delete(deviceId);
    },
    *[Symbol.iterator]() {
      for (const own of byDevice.values()) yield* own;
    },
  };
}

// Devices over HTTP.
import {
  device,
  deviceChange,
  deviceId,
  deviceQuery,
  enrolmentCodeAnswer,
  enrolmentCodeRequest,
  pageOf,
} from "@holdfast/protocol";
import { z } from "zod";
import { userActor } from "../audit/audit.ts";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { listDevices, showDevice } from "./device-rows.ts";
import { changeDevice, deleteDevice, type DeviceDependencies } from "./devices.ts";
import { createEnrolmentCode, type EnrolmentDependencies } from "./enrolment.ts";

const byId = z.object({ id: deviceId });
const TAG = "devices";

export function deviceRoutes(dependencies: DeviceDependencies & EnrolmentDependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...editRoutes(dependencies)];
}

function readRoutes({ database: { db }, clock }: DeviceDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/devices",
      operation: "listDevices",
      summary: "Devices, by name",
      tag: TAG,
      right: "devices.read",
      query: deviceQuery,
      answer: pageOf(device),
      handle: ({ query }) => listDevices(db, clock, query),
    }),
    route({
      method: "GET",
      path: "/devices/:id",
      operation: "readDevice",
      summary: "One device",
      tag: TAG,
      right: "devices.read",
      params: byId,
      answer: device,
      handle: ({ params }) => showDevice(db, clock, params.id),
    }),
  ];
}

function editRoutes(dependencies: DeviceDependencies & EnrolmentDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/devices/enrolment-codes",
      operation: "createEnrolmentCode",
      summary: "A code with which one agent enrolls, shown once and valid for 15 minutes",
      tag: TAG,
      right: "devices.edit",
      body: enrolmentCodeRequest,
      answer: enrolmentCodeAnswer,
      status: 201,
      handle: ({ actor, body }) => createEnrolmentCode(dependencies, userActor(signedIn(actor)), body),
    }),
    route({
      method: "PATCH",
      path: "/devices/:id",
      operation: "changeDevice",
      summary: "Rename a device, make it a worker, disable or enable it",
      tag: TAG,
      right: "devices.edit",
      edits: true,
      params: byId,
      body: deviceChange,
      answer: device,
      handle: ({ actor, params, body, ifMatch }) =>
        changeDevice(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/devices/:id",
      operation: "deleteDevice",
      summary: "Remove a device; its copies stay",
      tag: TAG,
      right: "devices.edit",
      params: byId,
      handle: ({ actor, params }) => deleteDevice(dependencies, signedIn(actor), params.id),
    }),
  ];
}

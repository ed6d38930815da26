// Notifications over HTTP.
import {
  channel,
  channelChange,
  channelId,
  channelTested,
  delivery,
  deliveryQuery,
  newChannel,
  newNotificationRule,
  notificationRule,
  notificationRuleChange,
  notificationRuleId,
  notificationRuleQuery,
  notificationSettings,
  notificationSettingsView,
  pageOf,
  pageQuery,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { findChannel, showChannel } from "./channel-rows.ts";
import {
  changeChannel,
  type ChannelDependencies,
  createChannel,
  deleteChannel,
  listChannels,
} from "./channels.ts";
import { listDeliveries } from "./delivery-list.ts";
import { changeRule, createRule, deleteRule, listRules, type RuleDependencies } from "./rules.ts";
import { readSettings, setSettings } from "./settings.ts";
import { type ChannelTestDependencies, testChannel } from "./test-channel.ts";

const TAG = "notifications";
const byChannel = z.object({ id: channelId });
const byRule = z.object({ id: notificationRuleId });

type Dependencies = ChannelDependencies & RuleDependencies & ChannelTestDependencies;

export function notificationRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    ...channelReadRoutes(dependencies),
    ...channelEditRoutes(dependencies),
    ...ruleRoutes(dependencies),
    ...settingsRoutes(dependencies),
  ];
}

function channelReadRoutes(dependencies: Dependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/notifications/channels",
      operation: "listNotificationChannels",
      summary: "Where notifications go, by name",
      tag: TAG,
      right: "service.operate",
      query: pageQuery,
      answer: pageOf(channel),
      handle: ({ query }) => listChannels(db, query),
    }),
    route({
      method: "GET",
      path: "/notifications/channels/:id",
      operation: "readNotificationChannel",
      summary: "One channel",
      tag: TAG,
      right: "service.operate",
      params: byChannel,
      answer: channel,
      handle: async ({ params }) => showChannel(db, await findChannel(db, params.id)),
    }),
    route({
      method: "POST",
      path: "/notifications/channels/:id/test",
      operation: "testNotificationChannel",
      summary: "Send a test message there and then; an error says why it was not taken",
      tag: TAG,
      right: "service.operate",
      params: byChannel,
      answer: channelTested,
      handle: async ({ actor, params }) => ({
        note: (await testChannel(dependencies, signedIn(actor), params.id)) ?? null,
      }),
    }),
    route({
      method: "GET",
      path: "/notifications/deliveries",
      operation: "listNotificationDeliveries",
      summary: "What was sent and what waits, newest first",
      tag: TAG,
      right: "service.operate",
      query: deliveryQuery,
      answer: pageOf(delivery),
      handle: ({ query }) => listDeliveries(db, query),
    }),
  ];
}

function channelEditRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/notifications/channels",
      operation: "createNotificationChannel",
      summary: "Add a channel; its secret is a password of the Password Manager",
      tag: TAG,
      right: "service.operate",
      body: newChannel,
      answer: channel,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createChannel(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/notifications/channels/:id",
      operation: "changeNotificationChannel",
      summary: "Change a channel; another mail server needs the password typed again",
      tag: TAG,
      right: "service.operate",
      params: byChannel,
      body: channelChange,
      edits: true,
      answer: channel,
      handle: ({ actor, params, body, ifMatch }) =>
        changeChannel(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/notifications/channels/:id",
      operation: "deleteNotificationChannel",
      summary: "Remove a channel with its rules and what waits for it",
      tag: TAG,
      right: "service.operate",
      params: byChannel,
      handle: ({ actor, params }) => deleteChannel(dependencies, signedIn(actor), params.id),
    }),
  ];
}

function ruleRoutes(dependencies: Dependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/notifications/rules",
      operation: "listNotificationRules",
      summary: "Which channel is told of what",
      tag: TAG,
      right: "service.operate",
      query: notificationRuleQuery,
      answer: pageOf(notificationRule),
      handle: ({ query }) => listRules(db, query),
    }),
    route({
      method: "POST",
      path: "/notifications/rules",
      operation: "createNotificationRule",
      summary: "Tell a channel of some kinds of events, of all plans or of one",
      tag: TAG,
      right: "service.operate",
      body: newNotificationRule,
      answer: notificationRule,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createRule(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/notifications/rules/:id",
      operation: "changeNotificationRule",
      summary: "Change a rule",
      tag: TAG,
      right: "service.operate",
      params: byRule,
      body: notificationRuleChange,
      edits: true,
      answer: notificationRule,
      handle: ({ actor, params, body, ifMatch }) =>
        changeRule(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/notifications/rules/:id",
      operation: "deleteNotificationRule",
      summary: "Remove a rule",
      tag: TAG,
      right: "service.operate",
      params: byRule,
      handle: ({ actor, params }) => deleteRule(dependencies, signedIn(actor), params.id),
    }),
  ];
}

function settingsRoutes(dependencies: Dependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/notifications/settings",
      operation: "readNotificationSettings",
      summary: "The address for links, and when devices, storages, certificates and tokens are told of",
      tag: TAG,
      right: "service.operate",
      answer: notificationSettingsView,
      handle: () => readSettings(db),
    }),
    route({
      method: "PUT",
      path: "/notifications/settings",
      operation: "setNotificationSettings",
      summary: "Change them; recorded in the audit log",
      tag: TAG,
      right: "service.operate",
      body: notificationSettings,
      edits: true,
      answer: notificationSettingsView,
      handle: ({ actor, body, ifMatch }) => setSettings(dependencies, signedIn(actor), body, ifMatch),
    }),
  ];
}

/** Descriptions of SPACE's REST API. */
import { T } from '@polyedge/contracts/schema';
import type { Description, Operation } from './document.ts';

const Any = T.Record(T.String(), T.Unknown());
const List = T.Array(Any);
const Data = T.Object({ data: List, pagination: T.Optional(Any) });
const Pricing = T.Object({
  pricing: T.String({ format: 'binary', description: 'A pricing in YAML, as a file; or, as text, the URL of one.' }),
});
const FORM = 'multipart/form-data';
const PAGE = { limit: 'How many at most.', offset: 'How many to leave out first.' };
const Renewal = T.Object({ autoRenew: T.Optional(T.Boolean()), renewalDays: T.Optional(T.Integer({ minimum: 1 })) });
const Period = T.Object({
  endDate: T.Optional(T.String({ format: 'date-time' })),
  autoRenew: T.Optional(T.Boolean()),
  renewalDays: T.Optional(T.Integer()),
});
const details = {
  firstName: T.Optional(T.String()),
  lastName: T.Optional(T.String()),
  email: T.Optional(T.String()),
  phone: T.Optional(T.String()),
};
const Contact = T.Object({
  userId: T.String(),
  username: T.String(),
  ...details,
});
const ChangedContact = T.Object({
  userId: T.Optional(T.String()),
  username: T.Optional(T.String()),
  ...details,
});
const subscription = {
  contractedServices: T.Record(T.String(), T.String(), { description: 'Versions of pricings by the name of the service.' }),
  subscriptionPlans: T.Record(T.String(), T.String(), { description: 'Plans by the name of the service.' }),
  subscriptionAddOns: T.Record(T.String(), T.Record(T.String(), T.Integer()), {
    description: 'Numbers of add-ons by the name of the service.',
  }),
};
const Subscription = T.Object({ ...subscription, billingPeriod: T.Optional(T.Object({ autoRenew: T.Optional(T.Boolean()) })) });
const Contract = T.Object({
  userContact: Contact,
  billingPeriod: T.Optional(Renewal),
  organizationId: T.Optional(T.String({ description: 'Of an administrator only.' })),
  groupId: T.Optional(T.String()),
  ...subscription,
});
const Usage = T.Record(T.String(), T.Record(T.String(), T.Number()), { description: 'What to add, by service and limit.' });
const LISTED = { ...PAGE, page: 'From 1, instead of `offset`.', order: '`asc` or `desc`.' };
const USERS = {
  ...LISTED,
  sort: '`firstName`, `lastName`, `username` or `email`.',
  username: 'Part of the name; `firstName`, `lastName` and `email` alike.',
  groupId: 'Only of this group.',
};

/** The same calls exist for the organization of a key and, for its members, below the organization. */
const services = (at: string): Record<string, Operation> => ({
  [`GET ${at}`]: { summary: 'Lists services.', query: { ...LISTED, name: 'Part of the name.' }, answer: List },
  [`POST ${at}`]: { summary: 'Creates a service from a pricing.', body: Pricing, media: FORM, status: 201, answer: Any },
  [`DELETE ${at}`]: { summary: 'Deletes all services.', answer: T.Object({ message: T.String() }) },
  [`GET ${at}/{service}`]: { summary: 'Reads a service.', answer: Any },
  [`PUT ${at}/{service}`]: {
    summary: 'Renames a service, or moves it to another organization.',
    body: T.Object({ name: T.Optional(T.String()), organizationId: T.Optional(T.String()) }),
    answer: Any,
  },
  [`DELETE ${at}/{service}`]: { summary: 'Disables a service: its contracts leave it.', status: 204 },
  [`GET ${at}/{service}/novations`]: { summary: 'Lists changes of many contracts that are under way.', answer: List },
  [`GET ${at}/{service}/pricings`]: { summary: 'Lists pricings.', query: { pricingStatus: '`active` or `archived`.' }, answer: List },
  [`POST ${at}/{service}/pricings`]: { summary: 'Adds a version.', body: Pricing, media: FORM, status: 201, answer: Any },
  [`GET ${at}/{service}/pricings/{version}`]: { summary: 'Reads a pricing.', answer: Any },
  [`PUT ${at}/{service}/pricings/{version}`]: {
    summary: 'Archives a version, or makes it active again.',
    query: { availability: '`archived` or `active`.' },
    body: T.Object({ subscriptionPlan: T.Optional(T.String()), subscriptionAddOns: T.Optional(T.Record(T.String(), T.Integer())) }),
    answer: Any,
  },
  [`DELETE ${at}/{service}/pricings/{version}`]: { summary: 'Deletes an archived version.', status: 204 },
  [`GET ${at}/{service}/pricings/{version}/public-url`]: {
    summary: 'Returns the location of the file; public.',
    answer: T.Object({ path: T.String(), url: T.String() }),
  },
});

const contracts = (at: string): Record<string, Operation> => ({
  [`GET ${at}`]: { summary: 'Lists contracts; how many there are is in the header `X-Total-Count`.', query: USERS, answer: List },
  [`POST ${at}`]: { summary: 'Makes a contract.', body: Contract, status: 201, answer: Any },
  [`PUT ${at}`]: {
    summary: 'Changes the subscription of all contracts of a group.',
    query: { groupId: 'Which group.' },
    body: Subscription,
    answer: List,
  },
  [`DELETE ${at}`]: { summary: 'Deletes all contracts.', status: 204 },
  [`GET ${at}/{userId}`]: { summary: 'Reads a contract.', answer: Any },
  [`PUT ${at}/{userId}`]: { summary: 'Changes the subscription: a novation.', body: Subscription, answer: Any },
  [`DELETE ${at}/{userId}`]: { summary: 'Deletes a contract.', status: 204 },
});

const V1 = '/api/v1';
const WITHIN = `${V1}/organizations/{organizationId}`;

export const space: Description = {
  title: 'SPACE REST',
  description:
    'SPACE 2: services with their pricings, contracts, evaluation of features. Bodies are checked by the edge in the words of SPACE.',
  port: 5403,
  security: { key: { type: 'apiKey', in: 'header', name: 'x-api-key' } },
  failure: T.Object({ error: T.String() }),
  parameters: {
    service: 'The name of the service.',
    version: 'The version of the pricing.',
    userId: 'The user of the contract.',
    featureId: 'The feature, as `service-feature`.',
    organizationId: 'The id of the organization.',
    username: 'The name of the user.',
    key: 'The key.',
    file: 'The name of the file.',
  },
  operations: {
    [`GET ${V1}/healthcheck`]: { summary: 'Says that it is there.', answer: T.Object({ message: T.String() }) },
    [`POST ${V1}/users/authenticate`]: {
      summary: 'Logs in and returns the key of the user.',
      body: T.Object({ username: T.String(), password: T.String() }),
      answer: T.Object({ username: T.String(), apiKey: T.String(), role: T.String() }),
    },
    [`GET ${V1}/users`]: { summary: 'Lists users.', query: { ...PAGE, q: 'Part of the name.' }, answer: Data },
    [`POST ${V1}/users`]: {
      summary: 'Creates a user.',
      body: T.Object({ username: T.String(), password: T.String(), role: T.Optional(T.String()) }),
      status: 201,
      answer: Any,
    },
    [`GET ${V1}/users/me`]: { summary: 'Says who one is.', answer: T.Object({ username: T.String(), role: T.String() }) },
    [`GET ${V1}/users/{username}`]: { summary: 'Reads a user.', answer: Any },
    [`PUT ${V1}/users/{username}`]: {
      summary: 'Changes a user.',
      body: T.Object({ username: T.Optional(T.String()), password: T.Optional(T.String()), role: T.Optional(T.String()) }),
      answer: Any,
    },
    [`DELETE ${V1}/users/{username}`]: { summary: 'Deletes a user.', status: 204 },
    [`PUT ${V1}/users/{username}/api-key`]: {
      summary: 'Gives a new key; the old one is worth nothing then.',
      answer: T.Object({ apiKey: T.String() }),
    },
    [`PUT ${V1}/users/{username}/role`]: { summary: 'Changes the role of a user.', body: T.Object({ role: T.String() }), answer: Any },
    [`GET ${V1}/organizations`]: { summary: 'Lists organizations.', query: { ...PAGE, q: 'Part of the name.' }, answer: Data },
    [`POST ${V1}/organizations`]: {
      summary: 'Creates an organization.',
      body: T.Object({ name: T.String({ minLength: 3, maxLength: 255 }), owner: T.String(), default: T.Optional(T.Boolean()) }),
      status: 201,
      answer: Any,
    },
    [`GET ${WITHIN}`]: { summary: 'Reads an organization.', answer: Any },
    [`PUT ${WITHIN}`]: {
      summary: 'Changes name or owner.',
      body: T.Object({ name: T.Optional(T.String()), owner: T.Optional(T.String()) }),
      answer: Any,
    },
    [`DELETE ${WITHIN}`]: { summary: 'Deletes an organization with everything that it has.', status: 204 },
    [`POST ${WITHIN}/members`]: { summary: 'Adds a member.', body: T.Object({ username: T.String(), role: T.String() }), answer: Any },
    [`PUT ${WITHIN}/members/{username}`]: { summary: 'Changes the role of a member.', body: T.Object({ role: T.String() }), answer: Any },
    [`DELETE ${WITHIN}/members/{username}`]: { summary: 'Takes a member out.', status: 204 },
    [`POST ${WITHIN}/api-keys`]: {
      summary: 'Makes a key.',
      body: T.Object({ scope: T.String({ description: '`ALL`, `MANAGEMENT` or `EVALUATION`.' }) }),
      status: 201,
      answer: Any,
    },
    [`DELETE ${WITHIN}/api-keys/{key}`]: { summary: 'Removes a key.', status: 204 },
    ...services(`${WITHIN}/services`),
    ...contracts(`${WITHIN}/contracts`),
    ...services(`${V1}/services`),
    ...contracts(`${V1}/contracts`),
    [`PUT ${V1}/contracts/billingPeriod`]: {
      summary: 'Changes the billing period of all contracts of a group.',
      query: { groupId: 'Which group.' },
      body: Period,
      answer: List,
    },
    [`PUT ${V1}/contracts/{userId}/billingPeriod`]: { summary: 'Changes the billing period.', body: Period, answer: Any },
    [`PUT ${V1}/contracts/{userId}/usageLevels`]: {
      summary: 'Adds to usage levels, or sets them back.',
      query: {
        reset: '`true`: sets them to zero.',
        usageLimit: 'Only this limit.',
        renewableOnly: '`false`: also those that never renew.',
      },
      body: Usage,
      answer: Any,
    },
    [`PUT ${V1}/contracts/{userId}/userContact`]: { summary: 'Changes the contact.', body: ChangedContact, answer: Any },
    [`GET ${V1}/features`]: {
      summary: 'Lists features of all services.',
      query: {
        ...LISTED,
        sort: '`serviceName` or `featureName`.',
        show: '`active`, `archived` or `all`.',
        serviceName: 'Part of the name.',
        featureName: 'Part of the name.',
        pricingVersion: 'Part of the version.',
      },
      answer: List,
    },
    [`POST ${V1}/features/{userId}`]: {
      summary: 'Evaluates all features of a user.',
      query: {
        details: '`true`: with the reasons.',
        server: '`true`: uses the server expressions.',
        revert: '`true`: takes consumption back before.',
        latest: '`true`: with `revert`, the newest consumption.',
      },
      answer: Any,
    },
    [`POST ${V1}/features/{userId}/{featureId}`]: {
      summary: 'Evaluates one feature, and consumes the amounts in the body. With `revert` the answer is 204.',
      query: {
        server: '`true`: uses the server expressions.',
        revert: '`true`: takes consumption back instead.',
        latest: '`true`: with `revert`, the newest consumption.',
      },
      body: T.Record(T.String(), T.Number()),
      answer: Any,
    },
    [`POST ${V1}/features/{userId}/pricing-token`]: {
      summary: 'Makes a token with the features of a user.',
      query: { server: '`true`: uses the server expressions.' },
      answer: T.Object({ pricingToken: T.String() }),
    },
    [`GET ${V1}/analytics/api-calls`]: { summary: 'Counts calls of the last days.', answer: Any },
    [`GET ${V1}/analytics/evaluations`]: { summary: 'Counts evaluations of the last days.', answer: Any },
    [`GET ${V1}/cache/get`]: { summary: 'Reads a note.', query: { key: 'Its name.' }, answer: Any },
    [`POST ${V1}/cache/set`]: {
      summary: 'Keeps a note for a while.',
      body: T.Object({ key: T.String(), value: T.Unknown(), expirationInSeconds: T.Optional(T.Integer()) }),
      answer: Any,
    },
    [`GET ${V1}/events/status`]: { summary: 'Says that the sockets are there.', answer: T.Object({ status: T.String() }) },
    [`GET ${V1}/events/client`]: { summary: 'A page that shows events as they arrive.' },
    [`POST ${V1}/events/test-event`]: {
      summary: 'Shows an event to all sockets, where that is switched on.',
      body: T.Object({ serviceName: T.String(), pricingVersion: T.Optional(T.String()) }),
      answer: Any,
    },
    'GET /static/pricings/{file}': { summary: 'Reads the file of a pricing.' },
  },
  open: [
    `GET ${V1}/healthcheck`,
    `POST ${V1}/users/authenticate`,
    `GET ${V1}/events/status`,
    `GET ${V1}/events/client`,
    'GET /static/pricings/{file}',
  ],
  documented: (method, path) => [`${method} ${path}`],
};

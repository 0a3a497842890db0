// The rule of dependencies (docs/architecture.md). tools/dependency-rule/check.ts runs it, and proves for every rule that it finds the
// violation planted for it in tools/dependency-rule/fixture.

// swc parses `using` and `await using`, but its visitor (1.16) does not know the statement and gives up on the file: it is like `const`.
const { Visitor } = require('@swc/core/Visitor.js');
const visitStatement = Visitor.prototype.visitStatement;
Visitor.prototype.visitStatement = function visit(statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  return { ...statement, decls: this.visitVariableDeclarators(statement.decls) };
};

const test = '(\\.test\\.ts$|/test/|^test/|^bench/)';
/** Machines: `handle(input, at) → effects`. The file named after the folder is their driver. */
const machines =
  '^(libs/(edge-kit/src/feed/(?!(feeds?|arrivals)\\.ts$)|journal/src/(procedure\\.ts$|groups/(?!groups\\.ts$)))|services/graph-store/src/(publisher/(?!publisher\\.ts$)|executor/(?!executor\\.ts$)))';
const pure = `(^(libs/(contracts|query|session|saga)/src/|services/[^/]+/src/(protocol|core|evaluation|catalogue|contracts|pricing|usage)/)|${machines})`;

/** Matches a package by name, wherever it was found. */
const packages = (...names) => `(^|node_modules/)(${names.join('|')})(/|$)`;

/** What pure code may import from npm. */
const purePackages = [
  // Schemas of channels, behind contracts/src/schema.ts.
  'typebox',
  // JSON Schemas of users, in graph-store/src/core.
  'ajv',
  // Regular expressions in linear time, behind query/src/pattern.ts.
  're2js',
  // The language of pricings, in space-edge/src/pricing.
  'yaml',
  // Times of cron in a time zone, in saga/src/schedule.ts: without its timers and its clock.
  'croner',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Two files that need each other are one subject or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'Every import leads somewhere, or this check is blind.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'query-stands-alone',
      comment: 'query imports nothing of ours.',
      severity: 'error',
      from: { path: '^libs/query/src/', pathNot: test },
      to: { path: '^(libs|services|infra|tools)/', pathNot: '^libs/query/' },
    },
    {
      name: 'contracts-need-only-query',
      comment: 'contracts is what crosses a process border: of ours it knows only the filter AST.',
      severity: 'error',
      from: { path: '^libs/contracts/src/', pathNot: test },
      to: { path: '^(libs|services|infra|tools)/', pathNot: '^libs/(contracts|query)/' },
    },
    {
      name: 'session-needs-only-contracts',
      severity: 'error',
      from: { path: '^libs/session/src/', pathNot: test },
      to: { path: '^(libs|services|infra|tools)/', pathNot: '^libs/(session|contracts|query)/' },
    },
    {
      name: 'saga-needs-only-pure-libs',
      comment: 'What Saga means is shared by its edge and its runner: values in, values out.',
      severity: 'error',
      from: { path: '^libs/saga/src/', pathNot: test },
      to: { path: '^(libs|services|infra|tools)/', pathNot: '^libs/(saga|session|contracts|query)/' },
    },
    {
      name: 'pure-without-node-io',
      comment: 'A pure folder takes values and gives values: no clock, no files, no network, no randomness.',
      severity: 'error',
      from: { path: pure, pathNot: test },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(assert|assert/strict|buffer|crypto|string_decoder|url|util)$' },
    },
    {
      name: 'pure-without-packages',
      comment: 'Pure folders use packages that are pure themselves: those named here, each for a reason given beside its name.',
      severity: 'error',
      from: { path: pure, pathNot: test },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown'],
        pathNot: packages(...purePackages),
      },
    },
    {
      name: 'patterns-in-query',
      comment: 'Regular expressions from outside are bounded in one place.',
      severity: 'error',
      from: { pathNot: ['^libs/query/src/pattern\\.ts$', test] },
      to: { path: packages('re2js') },
    },
    {
      name: 'schema-library-behind-schema',
      severity: 'error',
      from: { pathNot: ['^libs/contracts/src/schema\\.ts$', test] },
      to: { path: packages('typebox', '@sinclair/typebox') },
    },
    {
      name: 'user-schemas-in-graph-store-core',
      severity: 'error',
      from: { pathNot: ['^services/graph-store/src/core/', test] },
      to: { path: packages('ajv') },
    },
    {
      name: 'protocol-without-kits',
      comment: 'A protocol is a pure machine: the driver carries out its effects and is not known to it.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/(protocol|core|evaluation|catalogue|contracts|pricing|usage)/', pathNot: test },
      to: { path: '^libs/', pathNot: '^libs/(contracts|query|session|saga)/' },
    },
    {
      name: 'machines-without-kits',
      comment:
        'What holds of a protocol holds of the feed, of groups, of the publisher and of the executor: the driver carries out their effects and is not known to them.',
      severity: 'error',
      from: { path: machines, pathNot: test },
      to: { path: '^libs/', pathNot: ['^libs/(contracts|query)/', machines] },
    },
    {
      name: 'machines-without-services',
      comment: 'The same inside a service: of its other folders a machine knows only the pure ones.',
      severity: 'error',
      from: { path: machines, pathNot: test },
      to: { path: '^services/', pathNot: ['^services/[^/]+/src/(protocol|core)/', machines] },
    },
    {
      name: 'feed-knows-no-connections',
      comment: 'Connections, fan-out and transports stand on the feed, and never the reverse.',
      severity: 'error',
      from: { path: '^libs/edge-kit/src/feed/', pathNot: test },
      to: { path: '^libs/edge-kit/src/', pathNot: '^libs/edge-kit/src/feed/' },
    },
    {
      name: 'transports-know-no-sessions',
      comment: 'Listeners and wires hand sockets to a ConnectionHost: which driver that is, and what it does with them, they do not know.',
      severity: 'error',
      from: { path: '^libs/edge-kit/src/transport/', pathNot: test },
      to: { path: '^libs/edge-kit/src/(driver|fanout|feed)/' },
    },
    {
      name: 'fanout-knows-no-driver',
      comment: 'Lanes and selections write to sinks; connections are one kind of them.',
      severity: 'error',
      from: { path: '^libs/edge-kit/src/fanout/', pathNot: test },
      to: { path: '^libs/edge-kit/src/driver/' },
    },
    {
      name: 'hiro-apis-apart',
      comment: 'graph-ws and events-ws are two protocols; what both show of an element is in element/.',
      severity: 'error',
      from: { path: '^services/hiro-edge/src/protocol/(graph|events)/', pathNot: test },
      to: { path: '^services/hiro-edge/src/protocol/(graph|events)/', pathNot: '^services/hiro-edge/src/protocol/$1/' },
    },
    {
      name: 'hiro-languages-stand-alone',
      comment: 'Gremlin, Lucene and jfilter know elements and themselves: neither each other nor the requests that carry them.',
      severity: 'error',
      from: { path: '^services/hiro-edge/src/protocol/(gremlin|lucene|jfilter)/', pathNot: test },
      to: { path: '^services/hiro-edge/src/protocol/', pathNot: '^services/hiro-edge/src/protocol/($1|element)/' },
    },
    {
      name: 'hiro-elements-below',
      comment: 'How HIRO shows an element depends on nothing that is asked for.',
      severity: 'error',
      from: { path: '^services/hiro-edge/src/protocol/element/', pathNot: test },
      to: { path: '^services/hiro-edge/src/protocol/', pathNot: '^services/hiro-edge/src/protocol/element/' },
    },
    {
      name: 'space-rules-without-store',
      comment: 'What a contract, a pricing or a permission means is decided without asking for anything.',
      severity: 'error',
      from: { path: '^services/space-edge/src/(protocol|catalogue|contracts|evaluation|pricing|usage)/', pathNot: test },
      to: { path: '^services/space-edge/src/(store|http)/' },
    },
    {
      name: 'services-meet-on-nats',
      comment: 'A service never imports another one.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'libs-below-services',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(services|infra|tools|bench|test)/' },
    },
    {
      name: 'packages-stand-alone',
      comment: 'A package is for programs of others, in browsers too: it needs nothing of ours, of npm or of Node.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: test },
      to: { path: '^(libs|services|infra|tools|bench|test)/|node_modules/' },
    },
    {
      name: 'packages-without-node',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: test },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'testkit-in-tests-only',
      severity: 'error',
      from: { pathNot: [test, '^libs/(testkit|simulation)/', '^infra/', '^tools/'] },
      to: { path: '^libs/(testkit|simulation)/' },
    },
    {
      name: 'subjects-in-contracts-only',
      comment:
        'Who sends or listens names a channel; its subject is built in contracts. Their types may travel, and the bus reads tokens back.',
      severity: 'error',
      from: { pathNot: ['^libs/contracts/', '^libs/service-kit/src/bus-wire\\.ts$', test] },
      to: { path: '^libs/contracts/src/subject\\.ts$', dependencyTypesNot: ['type-only', 'type-import'] },
    },
    {
      name: 'nats-behind-the-bus',
      severity: 'error',
      from: { pathNot: ['^libs/service-kit/src/nats-bus[^/]*\\.ts$', test] },
      to: { path: packages('@nats-io') },
    },
    {
      name: 'isolates-in-child-processes-only',
      comment: "What runs strangers' code is loaded by the process that holds nothing, never by the service.",
      severity: 'error',
      from: { pathNot: ['^services/saga-runner/src/isolate/', test] },
      to: { path: packages('isolated-vm') },
    },
    {
      name: 'redis-behind-the-journal',
      severity: 'error',
      from: { pathNot: ['^libs/journal/', test] },
      to: { path: packages('ioredis') },
    },
    {
      name: 'postgres-behind-graph-store',
      severity: 'error',
      from: { pathNot: ['^services/graph-store/src/postgres/', '^libs/testkit/src/servers/postgres\\.ts$', test] },
      to: { path: packages('postgres') },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^tools/dependency-rule/fixture/'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.d.ts', '.json'],
    },
  },
};

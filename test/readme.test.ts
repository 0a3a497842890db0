/**
 * Runs the documented commands in a fresh clone: every command of README.md, of docs/operations.md and
 * of the services' READMEs, as of the last commit. Only ports in use and folders outside the clone are replaced.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { blocksOf, commandsOf, mentionedIn, nameOf } from '../tools/operations/commands.ts';
import { Newcomer, type Terminal } from './readme/newcomer.ts';

/** Commands that cannot run here, by their first line, and why. */
const notHere: Readonly<Record<string, string>> = {
  'npm test': 'this test is a part of it',
  'npm test -- hiro': 'takes a minute; this test is a part of the whole',
  'npm run bench -- NAME': 'a measurement takes minutes; NAME stands for one',
  'npm run soak -- NAME': 'a long test takes minutes; NAME stands for one',
  'npm run soak -- kill': 'takes minutes; test/kill.test.ts is its short form',
  'npm run soak -- exactness': 'takes minutes; services/gooduncle-edge/test/simulated.test.ts and model.test.ts are its short form',
  'npm run soak -- hostile': 'takes minutes; test/hostile-clients.test.ts is its short form',
  'npm run soak -- bombs': 'takes minutes; services/saga-runner/test/hostile.test.ts has hostile scripts',
  'npm test -- --with containers --short': 'needs root and minutes',
  'node services/graph-store/src/tenants.ts place acme second': 'needs a second journal; test/journals.test.ts has one',
  'node services/graph-store/src/tenants.ts move acme second': 'needs a second journal; test/moves.test.ts has one',
  'npm run soak -- archive': 'takes minutes; services/space-edge/test/faults.test.ts is its short form',
  'npm run soak -- evaluate': 'takes minutes; services/space-edge has short tests of consumption',
  'npm run soak -- rolling': 'takes minutes; test/rolling.test.ts is its short form',
  'npm run soak -- rolling --edge saga-edge': 'takes minutes; test/rolling.test.ts is its short form',
  'npm run soak -- simulate': 'takes minutes; test/simulation/system.test.ts is its short form',
  'npm run soak -- runnables': 'takes minutes; test/runnables.test.ts is its short form',
  'npm run soak -- cluster --kind nats': 'takes a minute; test/kill.test.ts is the same with one server of each kind',
  'npm run soak -- cluster --kind postgres': 'takes a minute; test/restore.test.ts has another history of the database',
  'npm run soak -- cluster --kind redis': 'takes a minute; libs/journal/test/sentinel.test.ts is its short form',
  'npm run soak -- cluster --kind redis-cluster': 'takes a minute; test/redis-cluster.test.ts is its short form',
  'npm run soak -- groups --moves': 'takes minutes; test/groups-moves.test.ts is its short form',
  'npm run soak -- move --elements 200000': 'takes minutes; test/moves.test.ts is its short form',
  'npm run soak -- upgrade': 'takes minutes, and needs a commit of before; test/replicas.test.ts is its short form',
  'npm run containers': 'needs root and minutes',
  'docker compose up --build': 'needs a container runtime; npm run containers has one',
  'docker compose --profile two-journals up -d --build': 'needs a container runtime; npm run containers has one',
  'docker compose --profile two-journals run --rm prepare-second node service/src/tenants.ts place acme second':
    'needs a container runtime; npm run containers moves one',
  'docker compose --profile two-journals run --rm prepare-second node service/src/tenants.ts list':
    'needs a container runtime; npm run containers does it',
  'docker compose run --rm -v /var/backups:/backups prepare node service/src/backup-cli.ts backup /backups/monday':
    'needs a container runtime; npm run containers does it',
  'docker buildx build -f infra/docker/Dockerfile --build-arg SERVICE=hiro-edge \\': 'needs a container runtime with buildx',
  'npm run polyedge -- tenants place acme --to second': 'needs a second journal; test/journals.test.ts has one',
  'npm run polyedge -- tenants move acme --to second': 'needs a second journal; test/moves.test.ts has one',
  'docker stop': 'needs a container runtime; npm run containers does it',
  'docker compose logs secrets': 'needs a container runtime',
  'OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 docker compose --profile telemetry up --build': 'needs a container runtime',
  'docker buildx imagetools inspect nats:2.12.1-alpine': 'needs a container runtime and a registry',
  'kubectl apply -k infra/k8s/overlays/…': 'needs a cluster; infra/k8s/manifests.test.ts renders every overlay',
  'npm test -- infra/k8s': 'this test runs beside it',
  'kubectl apply -f infra/k8s/overlays/local/namespace.yaml': 'needs a cluster',
  'node services/graph-store/src/prepare.ts': 'needs the database as its owner; npm start runs it each time',
  'jssocket -p 81 -h localhost': 'takes a port that needs rights; services/jssocket-edge/test/program.test.ts gives it a free one',
  'jssocket --strict-path /ws --legacy-admin': 'takes port 80; services/jssocket-edge/test/program.test.ts gives it a free one',
};

/** Commands that run until Ctrl-C, and the output that shows that they have started. */
const goesOn: Readonly<Record<string, RegExp>> = {
  'npm start': /ready after/,
  'npm run watch': /watching/,
  "npm start -- --only ''": /ready after/,
  'node watch.mjs': /^event .*"ogit\/name":"hello"[\s\S]*^answer|^answer[\s\S]*^event .*"ogit\/name":"hello"/m,
};

/** The documented output of commands. */
const prints: Readonly<Record<string, RegExp>> = {
  'POLYEDGE_MODE=local node services/hiro-edge/src/main.ts config --check': /the settings are valid/,
  'npm run backup -- /var/backups/polyedge-monday': /holds everything up to change \d+/,
  'npm run restore -- /var/backups/polyedge-monday': /the database is as it was .*its history has a new epoch/,
  'curl -s localhost:5402/admin/groups -H "$H"': /^\{"seq":\d+,"items":\[/,
  'curl -s -X PUT "localhost:5402/admin/accounts/$ID" -H "$H" -H "$J" -d \'{"scopes":["*"],"disabled":false}\'':
    /"username":"ann".*"scopes":\["\*"\]/,
  'curl -s localhost:5402/admin/accounts -H "Authorization: Bearer $T" -H \'Content-Type: application/json\' \\': /"username":"5551234567"/,
  'node try-script.mjs': /^(?=[\s\S]*^log got 3$)(?=[\s\S]*^double 6$)[\s\S]*^success true$[\s\S]*^version 2$/m,
  'node try.mjs': /^event score 2\n.*^ack 2$|^page .*"hello":"ann"/ms,
  "printf 'my secret' | jssocket hash": /^[0-9a-f]{120}$/m,
  'curl -s $at/services/WireMock -X DELETE -H "x-api-key: $org"': /^$|disabled|deleted/i,
};

test('the commands in README.md, docs/operations.md and the pages of the services work in a fresh clone', async (t) => {
  await using newcomer = new Newcomer();
  const began = performance.now();
  const said = (what: string) => t.diagnostic(`${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const read = (document: string) => readFileSync(join(newcomer.folder, document), 'utf8');
  const seen = new Set<string>();
  const terminals = new Map<string, Terminal>();
  let here = (command: string) => command;

  const start = async (command: string): Promise<string> => {
    const terminal = newcomer.open(here(command));
    terminals.set(nameOf(command), terminal);
    await terminal.saw(goesOn[nameOf(command)] ?? /ready after/);
    return terminal.output();
  };
  const end = async (name: string): Promise<string> => {
    const terminal = terminals.get(name);
    assert.ok(terminal, name);
    const code = await terminal.interrupt();
    if (name.includes('npm start')) assert.match(terminal.output(), /everything has ended/, String(code));
    return terminal.output();
  };
  /** Commands of one terminal, one after the other. */
  const type = async (commands: readonly string[]): Promise<readonly string[]> => {
    if (commands.length === 0) return [];
    const outputs = await newcomer.run(commands.map(here));
    for (const [at, command] of commands.entries()) {
      const output = outputs[at]?.trim() ?? '';
      assert.doesNotMatch(output, /"error":(?!null)/, command);
      assert.match(output, prints[nameOf(command)] ?? /^/, command);
    }
    return outputs;
  };
  /** The blocks of a document, one after the other. Commands that keep running have a terminal of their own. */
  const follow = async (document: string, only: (block: string) => boolean = () => true): Promise<void> => {
    // All blocks share one terminal: variables assigned in a block are available in later ones.
    const assigned: string[] = [];
    for (const block of blocksOf(read(document), 'sh').filter(only)) {
      let together: string[] = [...assigned];
      for (const command of commandsOf(block)) {
        const name = nameOf(command);
        seen.add(name);
        if (name in notHere || name.startsWith('kubectl ')) continue;
        if (/^\w+=\S/.test(command) && !/^\w+=\S+ \w/.test(command)) assigned.push(command);
        if (!(name in goesOn)) together.push(command);
        else {
          await type(together);
          together = [...assigned];
          await start(command);
        }
      }
      await type(together);
    }
  };

  // README.md: start, watch in a second terminal, write in a third.
  const [startCommand = '', , watchCommand = '', writeCommand = ''] = blocksOf(read('README.md'), 'sh').flatMap(commandsOf);
  for (const block of blocksOf(read('README.md'), 'sh')) for (const command of commandsOf(block)) seen.add(nameOf(command));
  assert.deepEqual([nameOf(startCommand), nameOf(watchCommand)], ['npm start', 'npm run watch']);
  const printed = await start(startCommand);
  said('the first start is ready');
  const password = /password (\S+)/.exec(printed)?.[1] ?? '';
  newcomer.set('PASSWORD', password);
  const usual = { 'saga-edge': 5401, 'hiro-edge': 5402, 'space-edge': 5403, 'gooduncle-edge': 5404, 'jssocket-edge': 5405 };
  const moved = Object.entries(usual).map(([name, port]) => {
    const actual = new RegExp(`${name}\\s+http://127\\.0\\.0\\.1:(\\d+)`).exec(printed)?.[1];
    assert.ok(actual, `npm start prints the address of ${name}`);
    return { from: `:${port}`, to: `:${actual}` };
  });
  here = (command) => {
    let text = command.replaceAll('/var/backups', newcomer.elsewhere);
    for (const { from, to } of moved) text = text.replaceAll(from, to);
    return text;
  };
  await start(watchCommand);
  const watch = terminals.get('npm run watch');
  let note = '';
  // The watch begins when the registration is active, which nothing announces.
  await until(
    'the event comes',
    async () => {
      const [answer = ''] = await type([writeCommand]);
      assert.match(answer, /"ogit\/name":"hello"/, 'the new vertex comes back as the answer');
      note = /"ogit\/_id":"([^"]+)"/.exec(answer)?.[1] ?? '';
      return watch?.output().includes('hello');
    },
    { seen: () => watch?.output() },
  );
  said('README.md is done');

  // The services' READMEs. SPACE's program listens while the commands of its README trigger events.
  const [listen = ''] = blocksOf(read('services/space-edge/README.md'), 'js');
  writeFileSync(join(newcomer.folder, 'listen.mjs'), here(listen));
  const listener = newcomer.open('node listen.mjs');
  const pages = globSync('{services/*/README.md,docs/protocols/gooduncle.md}', { cwd: newcomer.folder }).sort();
  assert.ok(pages.length >= 7);
  await Promise.all(pages.map((page) => follow(page)));
  await listener.saw(/PRICING_CREATED[\s\S]*serviceName: 'WireMock', pricingVersion: '2024'[\s\S]*SERVICE_DISABLED/);
  await listener.interrupt();
  await end('node watch.mjs');
  const [guests = ''] = blocksOf(read('docs/protocols/gooduncle.md'), 'js');
  writeFileSync(join(newcomer.folder, 'watch.mjs'), here(guests));
  const pies = newcomer.open('node watch.mjs');
  await pies.saw(/^subscribe ok match created[\s\S]*^subscribe ok match dropped/m);
  await pies.interrupt();
  said('the pages of the services are done');

  await follow('infra/k8s/README.md', (block) => block.includes('secrets.mjs'));
  const manifest = read('secrets.json');
  const { items }: { items: { kind: string; metadata: { name: string }; stringData: Record<string, string> }[] } = JSON.parse(manifest);
  assert.match(items.find(({ metadata }) => metadata.name === 'polyedge-jssocket-edge')?.stringData.jssocket_auth ?? '', /^[0-9a-f]{120}$/);

  // docs/operations.md: the restore begins with the old database set aside.
  const restores = (block: string) => block.startsWith('npm run restore');
  const putsAside = (block: string) => block.startsWith('mv .polyedge/data/postgres');
  await follow('docs/operations.md', (block) => !restores(block) && !putsAside(block));
  await end('npm run watch');
  await end('npm start');
  await follow('docs/operations.md', putsAside);
  await follow('docs/operations.md', restores);
  await end("npm start -- --only ''");
  said('the backup is restored');
  const mentioned = ['README.md', 'docs/operations.md'].flatMap((document) => mentionedIn(read(document)));
  const inProse: Readonly<Record<string, () => Promise<unknown>>> = {
    'REPLICAS_HIRO=2 npm start': async () => {
      const output = await start('REPLICAS_HIRO=2 npm start');
      const second = /hiro-edge-2\s+(http:\S+)/.exec(output)?.[1];
      assert.match(output, new RegExp(`password ${password}`));
      const path = `/api/graph/7.4/${note} -H "Authorization: Bearer $(npm run -s token)"`;
      assert.match((await newcomer.run([`curl -s ${second}${path}`])).join(), /"ogit\/name":"hello"/, 'what was backed up is there');
    },
    'npm run token': () => newcomer.run(['npm run -s token']),
    'npm run polyedge': () => newcomer.run(['npm run -s polyedge -- status']),
    'node tools/asyncapi.ts': async () => {
      await newcomer.run(['node tools/asyncapi.ts']);
      assert.equal((await newcomer.run(['git status --porcelain --untracked-files=no'])).join('').trim(), '', 'nothing to write anew');
    },
  };
  for (const [command, carryOut] of Object.entries(inProse)) {
    assert.ok(mentioned.includes(command), `no document mentions ${command}`);
    await carryOut();
  }
  await end('REPLICAS_HIRO=2 npm start');
  said('everything is done');

  for (const command of mentioned)
    assert.ok(seen.has(command) || command in notHere || command in inProse, `${command} is neither run nor named as what cannot run here`);
  for (const name of [...Object.keys(notHere), ...Object.keys(prints), ...Object.keys(goesOn)])
    assert.ok(seen.has(name) || mentioned.includes(name), `no document has the command ${name}`);
});

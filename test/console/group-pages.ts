/** The page of consumer groups, with members that are real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { Client } from '../../services/hiro-edge/test/client.ts';
import { eventsPath, type Stage, writeNote } from './stage.ts';

const REGISTER = { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Note)' };

export function groupPages(stage: () => Stage): void {
  const member = async (group: string): Promise<Client> => {
    const { system, token } = stage();
    const client = new Client(Number(new URL(system.edges.hiro).port), eventsPath(group), ['events-1.0.0', `token-${token}`]);
    await client.open();
    client.send({ type: 'register', args: REGISTER });
    return client;
  };
  const heard = (client: Client, id: string) => client.frames.some((frame) => (frame as { readonly id?: string }).id === id);
  /** Nothing acknowledges a `register`: notes are made until the member hears of one. */
  const untilLive = async (client: Client): Promise<string> => {
    const made: string[] = [];
    return until('the group hears of a note', async () => {
      made.push(await writeNote(stage(), 'for the group'));
      return made.find((id) => heard(client, id));
    });
  };
  const panel = (name: string) =>
    stage()
      .page.locator('section.panel')
      .filter({ has: stage().page.getByRole('heading', { name, exact: true }) });
  const confirm = async (name: string, button: string, action: string) => {
    await panel(name).getByRole('button', { name: button, exact: true }).click();
    await stage().page.getByRole('dialog').getByRole('button', { name: action }).click();
  };

  test('the members of a group are seen with address and last pong; one that is killed leaves, and its partitions move', async () => {
    const { page, system } = stage();
    const [stays, killed] = [await member('seen'), await member('seen')];
    await untilLive(stays);
    await page.goto(`${system.url}/groups`);
    const rows = panel('seen').locator('tbody tr');
    await rows.nth(1).waitFor();
    await rows.filter({ hasText: '127.0.0.1' }).filter({ hasText: 's ago' }).first().waitFor();
    assert.equal(await rows.filter({ hasText: 'admin' }).count(), 2);
    killed.ws.terminate();
    await rows.nth(1).waitFor({ state: 'detached' });
    const all = await panel('seen').locator('.partitions li').count();
    await rows.getByRole('cell', { name: String(all), exact: true }).waitFor();
    assert.equal(await panel('seen').getByText('free').count(), 0);
    stays.ws.terminate();
  });

  test('a group that is reset to its oldest change ends its members and gives them everything again; reset to the newest, nothing; deleted, it is gone', async () => {
    const { page, system } = stage();
    const first = await member('reset');
    const old = await untilLive(first);
    await page.goto(`${system.url}/groups`);
    await confirm('reset', 'Reset to smallest', 'Reset to smallest');
    assert.equal((await first.end()).code, 1013);
    const again = await member('reset');
    await again.until(() => heard(again, old));
    again.ws.terminate();
    await panel('reset').getByText('no members').waitFor();
    const missed = await writeNote(stage(), 'while nobody reads');
    await confirm('reset', 'Reset to largest', 'Reset to largest');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const last = await member('reset');
    await untilLive(last);
    assert.equal(heard(last, missed), false);
    last.ws.terminate();
    await panel('reset').getByText('no members').waitFor();
    await confirm('reset', 'Delete', 'Delete group');
    await panel('reset').waitFor({ state: 'detached' });
  });
}

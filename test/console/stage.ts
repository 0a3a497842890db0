/** What tests of pages share: the system, an open page of the administrator, and a token to write with. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { ask, type System } from './system.ts';

/** A picture of the page, in the folder of PICTURES_FOLDER if there is one: to look at, and for the documentation. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.PICTURES_FOLDER;
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
}

export interface Stage {
  readonly system: System;
  readonly page: Page;
  /** Of HIRO's own login. */
  readonly token: string;
}

/** A note with a name, written through HIRO; its id. */
export async function writeNote({ system, token }: Pick<Stage, 'system' | 'token'>, name: string, more: object = {}): Promise<string> {
  const at = `${system.edges.hiro}/api/graph/7.4/new/${encodeURIComponent('ogit/Note')}`;
  const made = await ask(at, 'POST', { 'ogit/name': name, ...more }, { authorization: `Bearer ${token}` });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return String((made.body as { readonly 'ogit/_id': string })['ogit/_id']);
}

/** A socket of HIRO's events with one filter, in a group where `group` names one. */
export function eventsPath(group?: string): string {
  return `/api/events-ws/6.2/${group === undefined ? '' : `?groupId=${group}&offset=largest`}`;
}

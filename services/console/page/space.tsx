import { useState } from 'preact/hooks';
import type { ContractView, PricingView, ServiceView, SpaceView } from '../src/http/space.ts';
import { count } from './format.ts';
import { ElementLink, Empty, Panel, Problem, Table, Tag, useAnswer } from './parts.tsx';

export function Space() {
  const [text, setText] = useState('');
  const { answer, reload } = useAnswer<SpaceView>(`/api/space?${new URLSearchParams({ text })}`);
  return (
    <>
      <div class="head">
        <h1>SPACE</h1>
        <button type="button" class="push" onClick={reload}>
          Refresh
        </button>
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Service or user
          <input value={text} onChange={(event) => setText(event.currentTarget.value)} />
        </label>
      </form>
      {answer === undefined ? <Empty>Loading …</Empty> : !answer.ok ? <Problem message={answer.message} /> : <Shown {...answer.value} />}
    </>
  );
}

const Shown = ({ services, contracts, more }: SpaceView) => (
  <>
    <Panel title="Services" aside={<span class="faint">{more.services ? `the newest ${services.length}` : services.length}</span>}>
      {services.length === 0 ? <Empty>No service fits. A pricing that is uploaded makes one.</Empty> : <Services services={services} />}
    </Panel>
    <Panel title="Contracts" aside={<span class="faint">{more.contracts ? `the newest ${contracts.length}` : contracts.length}</span>}>
      {contracts.length === 0 ? <Empty>No contract fits.</Empty> : <Contracts contracts={contracts} />}
    </Panel>
  </>
);

const Services = ({ services }: { readonly services: readonly ServiceView[] }) => (
  <Table label="Services">
    <thead>
      <tr>
        <th scope="col">Service</th>
        <th scope="col">Active pricings</th>
        <th scope="col">Archived pricings</th>
        <th scope="col">Organization</th>
      </tr>
    </thead>
    <tbody>
      {services.map(({ id, name, organization, disabled, active, archived }) => (
        <tr key={id}>
          <th scope="row" class="wide">
            <ElementLink id={id}>{name}</ElementLink> {disabled ? <Tag kind="bad">disabled</Tag> : null}
          </th>
          <td class="wide">
            <Pricings pricings={active} />
          </td>
          <td class="wide">
            <Pricings pricings={archived} />
          </td>
          <td class="mono">{organization}</td>
        </tr>
      ))}
    </tbody>
  </Table>
);

const Pricings = ({ pricings }: { readonly pricings: readonly PricingView[] }) =>
  pricings.length === 0 ? (
    <span class="faint">none</span>
  ) : (
    <ul class="inline">
      {pricings.map(({ version, id, url }) => (
        <li key={version}>
          {id === '' ? version : <ElementLink id={id}>{version}</ElementLink>} {url === undefined ? null : <Tag>remote</Tag>}
        </li>
      ))}
    </ul>
  );

const Contracts = ({ contracts }: { readonly contracts: readonly ContractView[] }) => (
  <Table label="Contracts">
    <thead>
      <tr>
        <th scope="col">User</th>
        <th scope="col">Subscription</th>
        <th scope="col">Billing period</th>
        <th scope="col">Usage</th>
      </tr>
    </thead>
    <tbody>
      {contracts.map(({ id, user, services, startDate, endDate, autoRenew, usage }) => (
        <tr key={id}>
          <th scope="row" class="wide">
            <ElementLink id={id}>{user}</ElementLink>
          </th>
          <td class="wide">
            {services.map(({ name, version, plan, addOns }) => (
              <div key={name}>
                <b>{name}</b> {version} <Tag kind="info">{plan === '' ? 'no plan' : plan}</Tag>{' '}
                <span class="faint">{addOns.join(', ')}</span>
              </div>
            ))}
          </td>
          <td>
            {day(startDate)} to {day(endDate)} {autoRenew ? <Tag kind="good">renews</Tag> : null}
          </td>
          <td class="wide">
            {usage.length === 0 ? <span class="faint">nothing is counted</span> : null}
            {usage.map(({ limit, consumed, renewsOn }) => (
              <div key={limit}>
                {limit}: <b>{count(consumed)}</b> {renewsOn === undefined ? null : <span class="faint">until {day(renewsOn)}</span>}
              </div>
            ))}
          </td>
        </tr>
      ))}
    </tbody>
  </Table>
);

const day = (time: string): string => (time === '' ? '–' : time.slice(0, 10));

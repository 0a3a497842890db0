/** Forms of the SPACE page about pricings: upload one, archive one. */
import { useEffect, useState } from 'preact/hooks';
import { Form, type FormProps } from './form.tsx';
import { Problem } from './parts.tsx';
import { callSpace, inOrganization, type OfferedPricing, type Organizations, useSpace } from './space-calls.ts';

export interface SpaceFormProps extends FormProps {
  readonly space: string;
}

interface OrganizationProps {
  readonly space: string;
  readonly value: string;
  onInput(id: string | ((now: string) => string)): void;
}

/** The id of an organization; those of whoever is logged in are suggested, the first one is filled in. */
export function Organization({ space, value, onInput }: OrganizationProps) {
  const known = useSpace<Organizations>(space, '/organizations?limit=50');
  const organizations = known?.ok === true ? known.value.data : [];
  const first = organizations[0]?.id;
  useEffect(() => {
    // What was typed meanwhile stays.
    if (first !== undefined) onInput((now) => (now === '' ? first : now));
  }, [first]);
  return (
    <>
      <label>
        Organization
        <input
          class="mono"
          required
          list="organizations"
          autocomplete="off"
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </label>
      <datalist id="organizations">
        {organizations.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </datalist>
      {known?.ok === false ? <Problem message={known.message} /> : null}
    </>
  );
}

export interface UploadedTo {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly disabled: boolean;
}

/** @param props.service undefined: the pricing makes a new one; one that is disabled is enabled by it */
export function Upload({ space, service, ...ends }: SpaceFormProps & { readonly service: UploadedTo | undefined }) {
  const [organization, setOrganization] = useState(service?.organization ?? '');
  const [yaml, setYaml] = useState('');
  const upload = () => {
    const form = new FormData();
    form.set('pricing', new Blob([yaml], { type: 'application/yaml' }), 'pricing.yml');
    const parts = service === undefined || service.disabled ? ['services'] : ['services', service.name, 'pricings'];
    return callSpace(space, 'POST', inOrganization(organization, ...parts), form);
  };
  return (
    <Form
      title={service === undefined ? 'New service' : `New pricing of ${service.name}`}
      action="Upload"
      said="The pricing is uploaded."
      submit={upload}
      {...ends}
    >
      {service === undefined ? <Organization space={space} value={organization} onInput={setOrganization} /> : null}
      <label>
        File
        <input
          type="file"
          accept=".yml,.yaml"
          onChange={(event) => void event.currentTarget.files?.[0]?.text().then((text) => setYaml(text))}
        />
      </label>
      <label>
        Pricing (Pricing2Yaml)
        <textarea class="code" rows={14} required spellcheck={false} value={yaml} onInput={(event) => setYaml(event.currentTarget.value)} />
      </label>
    </Form>
  );
}

export interface Version {
  readonly organization: string;
  readonly service: string;
  readonly version: string;
}

/** Archives a version; its contracts move to the newest active one, under the plan that is chosen here. */
export function Archive({ space, archived, ...ends }: SpaceFormProps & { readonly archived: Version }) {
  const { organization, service, version } = archived;
  const at = (...parts: readonly string[]) => inOrganization(organization, 'services', service, 'pricings', ...parts);
  const active = useSpace<readonly OfferedPricing[]>(space, at());
  const others = active?.ok === true ? active.value.filter((one) => one.version !== version) : [];
  const newest = others.reduce<OfferedPricing | undefined>(
    (best, one) => (best === undefined || one.createdAt > best.createdAt ? one : best),
    undefined,
  );
  const archive = (fields: FormData) => {
    const plan = String(fields.get('plan') ?? '');
    const body = { ...(plan === '' ? {} : { subscriptionPlan: plan }), subscriptionAddOns: {} };
    return callSpace(space, 'PUT', `${at(version)}?availability=archived`, body);
  };
  return (
    <Form title={`Archive ${service} ${version}`} action="Archive" said={`${service} ${version} is archived.`} submit={archive} {...ends}>
      <p class="hint">
        {newest === undefined
          ? 'It is the only active version, and one has to stay active.'
          : `Contracts with this version move to ${newest.version}, without add-ons.`}
      </p>
      <label>
        Their plan then
        <select name="plan">
          {Object.keys(newest?.plans ?? {}).map((plan) => (
            <option key={plan}>{plan}</option>
          ))}
        </select>
      </label>
    </Form>
  );
}

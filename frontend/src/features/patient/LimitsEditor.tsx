import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { api, type Limits, type LimitsChange, type Patient, take } from '@/lib/api/client';
import { useRight } from '@/lib/hooks';
import { VITALS } from '@/lib/vitals';
import { changeOf, FORM_KEYS, type FormKey, formOf, hasLimit } from './limitsForm';
import css from './Limits.module.css';

const KEY_WORDS: Record<FormKey, string> = {
  critical_low: 'Critical low',
  warning_low: 'Warning low',
  warning_high: 'Warning high',
  critical_high: 'Critical high',
  delay_s: 'Delay, s',
};
const CONSCIOUSNESS = [
  { value: '', label: 'not assessed' },
  { value: 'A', label: 'A – alert' },
  { value: 'C', label: 'C – new confusion' },
  { value: 'V', label: 'V – responds to voice' },
  { value: 'P', label: 'P – responds to pain' },
  { value: 'U', label: 'U – unresponsive' },
];

interface FormProps {
  limits: Limits;
  defaults: Limits | undefined;
  may: boolean;
  onSave: (change: LimitsChange) => void;
  saving: boolean;
}

function Form({ limits, defaults, may, onSave, saving }: FormProps) {
  const [form, setForm] = useState(() => formOf(limits));
  const [scale, setScale] = useState(String(limits.spo2_scale));
  const [oxygen, setOxygen] = useState(String(limits.on_oxygen));
  const [conscious, setConscious] = useState<string>(limits.consciousness ?? '');
  const { change, changes, wrong, off } = changeOf(form, limits);
  const other: LimitsChange = {
    ...(scale !== String(limits.spo2_scale) && { spo2_scale: scale === '2' ? 2 : 1 }),
    ...(oxygen !== String(limits.on_oxygen) && { on_oxygen: oxygen === 'null' ? null : oxygen === 'true' }),
    ...(conscious !== (limits.consciousness ?? '') && {
      consciousness: (conscious || null) as Limits['consciousness'],
    }),
  };
  const count = changes + Object.keys(other).length;
  const normal = defaults && formOf(defaults);
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        onSave({ ...change, ...other });
      }}
    >
      <div className={css.scroll}>
        <table className={css.table}>
          <caption className="for-ears">Alarm limits; an empty field switches the limit off</caption>
          <thead>
            <tr>
              <th scope="col">Vital</th>
              {FORM_KEYS.map((key) => (
                <th scope="col" key={key}>
                  {KEY_WORDS[key]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {VITALS.map(({ limits: field, label, unit }) => (
              <tr key={field}>
                <th scope="row">
                  {field === 'systolic' ? 'Systolic pressure' : label} <span className={css.unit}>{unit}</span>
                </th>
                {FORM_KEYS.map((key) => {
                  const value = form[field][key];
                  const usual = normal?.[field][key];
                  if (!hasLimit(limits, field, key)) return <td key={key}>–</td>;
                  return (
                    <td key={key}>
                      <TextInput
                        aria-label={`${label}, ${KEY_WORDS[key]}`}
                        inputMode="decimal"
                        className={css.field}
                        readOnly={!may}
                        placeholder="off"
                        value={value}
                        error={wrong.includes(`${field}.${key}`)}
                        onChange={(event) =>
                          setForm({ ...form, [field]: { ...form[field], [key]: event.currentTarget.value } })
                        }
                      />
                      {usual !== undefined && usual !== value && (
                        <span className={css.usual}>default {usual || 'off'}</span>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className={css.row}>
        <NativeSelect
          label="SpO₂ scale (NEWS2)"
          disabled={!may}
          value={scale}
          onChange={(event) => setScale(event.currentTarget.value)}
          data={[
            { value: '1', label: '1 – usual' },
            { value: '2', label: '2 – hypercapnic failure, target 88–92 %' },
          ]}
        />
        <NativeSelect
          label="Breathes"
          disabled={!may}
          value={oxygen}
          onChange={(event) => setOxygen(event.currentTarget.value)}
          data={[
            { value: 'false', label: 'air' },
            { value: 'true', label: 'oxygen' },
            { value: 'null', label: 'not known' },
          ]}
        />
        <NativeSelect
          label="Consciousness"
          disabled={!may}
          value={conscious}
          onChange={(event) => setConscious(event.currentTarget.value)}
          data={CONSCIOUSNESS}
        />
      </div>
      {may ? (
        <div className={css.row}>
          <Button type="submit" disabled={count === 0 || wrong.length > 0} loading={saving}>
            {count === 0 ? 'Nothing changed' : `Save ${count} ${count === 1 ? 'change' : 'changes'}`}
          </Button>
          {normal && (
            <Button variant="default" onClick={() => setForm(normal)}>
              Fill in the defaults
            </Button>
          )}
          {wrong.length > 0 && <span className={css.wrong}>Not a number: {wrong.join(', ')}</span>}
          {off.length > 0 && <span className={css.wrong}>Will be switched off: {off.join(', ')}</span>}
        </div>
      ) : (
        <p className={css.unit}>Doctors and administrators may change limits.</p>
      )}
    </form>
  );
}

export function LimitsEditor({ patient }: { patient: Patient }) {
  const may = useRight('limits');
  const queries = useQueryClient();
  const key = ['limits', patient.id];
  const path = { id: patient.id };
  const limits = useQuery({
    queryKey: key,
    queryFn: () => take(api.GET('/api/patients/{id}/limits', { params: { path } })),
  });
  const defaults = useQuery({
    queryKey: ['limits', 'defaults'],
    queryFn: () => take(api.GET('/api/limits/defaults')),
    staleTime: Infinity,
  });
  const save = useMutation({
    mutationFn: (change: LimitsChange) =>
      take(api.PUT('/api/patients/{id}/limits', { params: { path }, body: change })),
    onSuccess: (now) => queries.setQueryData(key, now),
  });
  return (
    <details className={css.limits}>
      <summary className={css.summary}>Alarm limits</summary>
      <ErrorNote error={limits.error} what="Limits" />
      <ErrorNote error={save.error} what="Not saved" />
      {save.isSuccess && <p role="status">Saved.</p>}
      {/* The key: limits that came from the server fill the form anew. */}
      {limits.data && (
        <Form
          key={JSON.stringify(limits.data)}
          limits={limits.data}
          defaults={defaults.data}
          may={may}
          saving={save.isPending}
          onSave={save.mutate}
        />
      )}
    </details>
  );
}

/** A chart of the last ten minutes. Its current value is shown as text beside its name; the picture is decorative. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

export interface Series {
  readonly label: string;
  /** The number of its colour in the style sheet, from 1. */
  readonly color: number;
  readonly values: readonly (number | null)[];
  /** The newest value, as text. */
  readonly now: string;
}

const HEIGHT = 132;

export function Chart({
  title,
  times,
  series,
  format,
}: {
  readonly title: string;
  readonly times: readonly number[];
  readonly series: readonly Series[];
  format(value: number): string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const shape = series.map(({ label }) => label).join('|');
  const newest = useRef<uPlot.AlignedData>([[]]);
  newest.current = [times as number[], ...series.map(({ values }) => values as (number | null)[])];

  useEffect(() => {
    const host = place.current;
    if (host === null) return;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const draw = () => {
      plot.current?.destroy();
      const style = getComputedStyle(host);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: color('--muted'),
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
        font: '11px system-ui, sans-serif',
      };
      plot.current = new uPlot(
        {
          width: host.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { show: false },
          padding: [8, 8, 0, 0],
          scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
          axes: [
            {
              ...axis,
              size: 28,
              space: 80,
              values: (_plot, splits) =>
                splits.map((at) =>
                  new Date(at * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
                ),
            },
            { ...axis, size: 56, space: 32, values: (_plot, splits) => splits.map(format) },
          ],
          series: [
            {},
            ...series.map(({ label, color: number }) => ({
              label,
              stroke: color(`--series-${number}`),
              width: 1.75,
              points: { show: false },
              spanGaps: false,
            })),
          ],
        },
        newest.current,
        host,
      );
    };
    draw();
    scheme.addEventListener('change', draw);
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: host.clientWidth, height: HEIGHT }));
    sizes.observe(host);
    return () => {
      sizes.disconnect();
      scheme.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(newest.current));

  return (
    <figure class="chart">
      <figcaption>
        <span class="title">{title}</span>
        <span class="legend">
          {series.map(({ label, color, now }) => (
            <span key={label}>
              <i class={`dot s${color}`} />
              {label} <b>{now}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  );
}

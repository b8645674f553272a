// Callbacks that write down what a run reports: csvLogger and lrMonitor.
import { kindOf } from '../kernels/support.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { FitBatch, FitCallback, FitEpoch, FitRun } from './callbacks.ts'
import type { CallbackState } from './saved_state.ts'
import type { Metrics } from './task.ts'

/**
 * A callback for `fit` that gives the figures of all epochs so far as CSV after each: epoch, step, lr, losses, accuracies, and the
 * metrics that are one number, as metrics.NAME and testMetrics.NAME. A figure that is NaN is an empty field. A run that continues
 * goes on with the lines of the saved one. Under Node `csvLogger` takes the path of a file instead, which is replaced whole each time.
 *
 * @param write is given the whole text; it is waited for
 */
export function csvLogger(write: (csv: string) => unknown): FitCallback {
  if (arguments.length > 1) throw tooMany(arguments, 'csvLogger(write)')
  if (typeof write !== 'function') {
    throw new TypeError(
      `csvLogger: a function that is given the text is needed, or under Node the path of a file, not ${kindOf(write)}`,
    )
  }
  let lines: readonly string[] = []
  return {
    onBegin(_, state) {
      lines = (state?.values as { readonly lines: readonly string[] } | undefined)?.lines ?? []
    },
    async onEpoch(report) {
      const { epoch, step, lr, trainLoss, trainAcc, testLoss, testAcc, metrics, testMetrics } = report
      const named = (prefix: string, values: Metrics = {}) =>
        Object.entries(values).flatMap(([name, value]) =>
          typeof value === 'number' ? [[`${prefix}.${name}`, value] as const] : [],
        )
      const figures = { epoch, step, lr, trainLoss, trainAcc, testLoss, testAcc }
      const all = [...Object.entries(figures), ...named('metrics', metrics), ...named('testMetrics', testMetrics)]
      if (lines.length === 0) lines = [all.map(([name]) => quoted(name)).join()]
      lines = [...lines, all.map(([, value]) => (Number.isNaN(value) ? '' : String(value))).join()]
      await write(`${lines.join('\n')}\n`)
    },
    stateDict: () => ({ values: { lines } }),
  }
}

/** A field as CSV has it: in quotes where it has a comma, a quote or the end of a line. */
function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}

/** The rates of all groups of all optimizers, in their order, after an update. */
export type RatesAt = { readonly epoch: number; readonly step: number; readonly lrs: readonly number[] }

/** What {@link lrMonitor} returns. */
export interface LrMonitor extends FitCallback {
  readonly rates: readonly RatesAt[]
}

/**
 * A callback for `fit` that notes the learning rates in force: after every epoch, or with `per: 'step'` after every update, which makes
 * each a sync point. A run that continues goes on with those of the saved one. PyTorch Lightning's LearningRateMonitor.
 */
export function lrMonitor(options: { readonly per?: 'epoch' | 'step' } = {}): LrMonitor {
  if (arguments.length > 1) throw tooMany(arguments, 'lrMonitor(options)')
  requireOptions('lrMonitor', options, ['per'])
  const { per = 'epoch' } = options
  if (per !== 'epoch' && per !== 'step')
    throw new TypeError(`lrMonitor: per must be 'epoch' or 'step', not ${shown(per)}`)
  let rates: readonly RatesAt[] = []
  const note = ({ epoch, step }: FitBatch | FitEpoch, { optimizers }: FitRun) => {
    const lrs = optimizers.flatMap(({ paramGroups }) => paramGroups.map(({ lr }) => lr))
    rates = [...rates, { epoch, step, lrs }]
  }
  return {
    get rates() {
      return rates
    },
    onBegin(_: FitRun, state: CallbackState | null) {
      rates = (state?.values as { readonly rates: readonly RatesAt[] } | undefined)?.rates ?? []
    },
    ...(per === 'epoch' ? { onEpoch: note } : { onBatch: note }),
    stateDict: () => ({ values: { rates } }),
  }
}

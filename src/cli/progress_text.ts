// The lines that show the progress of a run. Pure functions.

/** An epoch from its start to the end of its test; `epoch` counts from 0. */
export type EpochProgress = {
  epoch: number
  lr: number
  trainLoss: number
  trainAcc: number
  testAcc: number
  seconds: number
  imagesPerSecond: number
}

const widestBar = 30
const narrowestBar = 4

/** Seconds as `0:42`, `12:05`, `1:02:03` or `2d 03h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--'
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)}`
  if (whole < 86_400) return `${Math.floor(whole / 3600)}:${two((whole % 3600) / 60)}:${two(whole % 60)}`
  return `${Math.floor(whole / 86_400)}d ${two((whole % 86_400) / 3600)}h`
}

/** Three decimals if they are precise enough, otherwise three significant digits: `0.300`, `0.00512`, `1.00e-7`. */
export function formatRate(lr: number): string {
  if (lr === 0 || Math.abs(lr) >= 0.01) return lr.toFixed(3)
  return Math.abs(lr) >= 1e-4 ? lr.toPrecision(3) : lr.toExponential(2)
}

/**
 * `epoch  3/10  loss 0.512  train acc 0.812  test acc 0.801  lr 0.300  12.3 s  4878 img/s`
 *
 * It takes 86 characters. A terminal with fewer `columns` gets the longest shorter form that fits; a file gets all.
 */
export function epochLine(info: EpochProgress, epochs: number, columns = Number.POSITIVE_INFINITY): string {
  const head = `epoch ${String(info.epoch + 1).padStart(String(epochs).length)}/${epochs}`
  const loss = `loss ${formatLoss(info.trainLoss)}`
  const [train, test] = [info.trainAcc.toFixed(3), info.testAcc.toFixed(3)]
  const lr = `lr ${formatRate(info.lr)}`
  const time = `${info.seconds.toFixed(1)} s`
  const speed = `${info.imagesPerSecond.toFixed(0)} img/s`
  const words = [head, loss, `train acc ${train}`, `test acc ${test}`, lr, time, speed]
  const shortest = [head, loss, `test ${test}`].join(' ')
  const forms = [
    words.join('  '),
    words.join(' '),
    [head, loss, `train ${train}`, `test ${test}`, lr, time, speed].join(' '),
    [head, loss, `train ${train}`, `test ${test}`, time].join(' '),
  ]
  return forms.find((form) => form.length <= columns) ?? shortest
}

function formatLoss(loss: number | undefined): string {
  if (loss === undefined) return '    -'
  return Math.abs(loss) < 1000 ? loss.toFixed(3) : loss.toPrecision(4)
}

/** The content of the bar; done ≤ total. */
export type BarState = {
  epoch: number
  epochs: number
  done: number
  total: number
  trainLoss: number | undefined
  trainAcc: number | undefined
  lr: number
  imagesPerSecond: number
  /** Seconds to the end of the whole run. */
  remaining: number
}

/**
 * The bar in fewer than `columns` characters:
 * `epoch 3/10 [=====>    ] 120/235 loss 0.512 acc 0.81 lr 0.300 1234 img/s ETA 0:42`.
 * If it does not fit, the bar shrinks first. Then fields are left out, the least useful to somebody waiting first: rate,
 * speed, accuracy, time, bar, loss. 80 columns have room for everything, 60 for all except rate and speed, 40 for the loss.
 */
export function barLine(state: BarState, columns: number, paint: (bar: string) => string = (bar) => bar): string {
  // The last column stays free: a character there makes some terminals start a new line.
  const room = Math.max(1, columns - 1)
  const total = String(state.total)
  const head = `epoch ${state.epoch + 1}/${state.epochs}`
  const count = `${String(state.done).padStart(total.length)}/${total}`
  const loss = `loss ${formatLoss(state.trainLoss)}`
  const acc = `acc ${state.trainAcc?.toFixed(2) ?? '   -'}`
  const lr = `lr ${formatRate(state.lr)}`
  const speed = `${state.imagesPerSecond.toFixed(0)} img/s`
  const eta = `ETA ${formatDuration(state.remaining)}`
  const layouts = [
    [count, loss, acc, lr, speed, eta],
    [count, loss, acc, speed, eta],
    [count, loss, acc, eta],
    [count, loss, eta],
    [count, loss],
  ]
  for (const fields of layouts) {
    const tail = fields.join(' ')
    const inner = Math.min(widestBar, room - head.length - tail.length - 4)
    if (inner >= narrowestBar) return `${head} ${paint(drawBar(state.done / state.total, inner))} ${tail}`
  }
  const bare = [`${head} ${count} ${loss}`, `${head} ${count}`, head].find((line) => line.length <= room)
  return bare ?? head.slice(0, room)
}

function drawBar(fraction: number, inner: number): string {
  const full = Math.floor(Math.min(1, Math.max(0, fraction)) * inner)
  const filled = full === inner ? '='.repeat(inner) : `${'='.repeat(full)}>`
  return `[${filled.padEnd(inner)}]`
}

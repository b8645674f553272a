// The page of `train --live`, which draws a run. The server that sends it, the other half, is src/node/live.ts.
// Plain JavaScript, loaded after uPlot. All data arrives by server-sent events, the history first, so that a reload loses
// nothing.
/* global uPlot */

const byId = (id) => document.getElementById(id)
const nothing = '–'

/** The received data as columns: `curves` has x and three curves, `rate` and `throughput` have x and one curve. */
let run
let columns
let last
let plots = []
let frame = 0

function reset(about) {
  run = about
  last = undefined
  columns = { curves: [[], [], [], []], rate: [[], []], throughput: [[], []] }
}

/** Adds a record's points, which come in ascending x. A curve without a value at some x is drawn across the gap. */
function add(entry) {
  const { record, points, imagesPerSecond } = entry
  const curves = ['trainLoss', 'trainAcc', 'testAcc'].map((name) => new Map(points[name]))
  const xs = [...new Set(curves.flatMap((curve) => [...curve.keys()]))].sort((a, b) => a - b)
  for (const x of xs) {
    columns.curves[0].push(x)
    for (const [i, curve] of curves.entries()) columns.curves[i + 1].push(curve.get(x) ?? null)
  }
  const x = record.step / run.stepsPerEpoch
  for (const [name, y] of [
    ['rate', record.lr],
    ['throughput', imagesPerSecond],
  ]) {
    columns[name][0].push(x)
    columns[name][1].push(y)
  }
  const testAcc = record.testAcc ?? last?.record.testAcc
  last = { ...entry, record: { ...record, testAcc }, imagesPerSecond: imagesPerSecond ?? last?.imagesPerSecond }
}

const three = (value) => (typeof value === 'number' ? value.toFixed(3) : nothing)

/** As in the terminal: three decimals if they are precise enough, otherwise three significant digits. */
function rateText(lr) {
  if (typeof lr !== 'number') return nothing
  if (lr === 0 || Math.abs(lr) >= 0.01) return lr.toFixed(3)
  return Math.abs(lr) >= 1e-4 ? lr.toPrecision(3) : lr.toExponential(2)
}

function durationText(seconds) {
  if (typeof seconds !== 'number') return nothing
  const whole = Math.max(0, Math.round(seconds))
  const two = (value) => String(Math.floor(value)).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)}`
  return `${Math.floor(whole / 3600)}:${two((whole % 3600) / 60)}:${two(whole % 60)}`
}

const wholeText = (value) => (typeof value === 'number' ? Math.round(value).toLocaleString('en') : nothing)

function showNumbers() {
  const { record = {}, imagesPerSecond, secondsLeft } = last ?? {}
  const epoch = record.epoch === undefined ? nothing : `${record.epoch + 1}/${run.epochs}`
  const total = run.epochs * run.stepsPerEpoch
  const texts = {
    title: run.title,
    epoch,
    step: record.step === undefined ? nothing : `${record.step}/${total}`,
    trainLoss: three(record.trainLoss),
    trainAcc: three(record.trainAcc),
    testAcc: three(record.testAcc),
    lr: rateText(record.lr),
    speed: wholeText(imagesPerSecond),
    left: durationText(secondsLeft),
  }
  for (const [id, text] of Object.entries(texts)) byId(id).textContent = text
  byId('progress').value = (record.step ?? 0) / total
  document.title = last ? `${epoch} · loss ${texts.trainLoss}` : run.title
  if (!last) return
  const means = `train loss ${texts.trainLoss}, train accuracy ${texts.trainAcc}, test accuracy ${texts.testAcc}`
  byId('curves').ariaLabel = `loss and accuracy over ${run.epochs} epochs, now: ${means}`
  byId('rate').ariaLabel = `learning rate over the epochs, now ${texts.lr}`
  byId('throughput').ariaLabel = `images a second over the epochs, now ${texts.speed}`
}

const round = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]

/** A round number a little above `value`. */
function roundAbove(value) {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return (round.find((nice) => nice * power >= value * 1.02) ?? 12) * power
}

/** The values below a chart: those under the pointer, or the newest if the pointer is elsewhere. */
const legend = (text) => (chart, value, i, at) => text(at == null ? chart.data[i].findLast((y) => y !== null) : value)

function plot(id, height, least, series, valueText) {
  const style = getComputedStyle(document.documentElement)
  const color = (name) => style.getPropertyValue(name).trim()
  const holder = byId(id)
  const axis = { stroke: color('--ink'), grid: { stroke: color('--grid'), width: 1 }, ticks: { show: false } }
  const options = {
    width: holder.clientWidth,
    height,
    scales: {
      x: { time: false, range: () => [0, run.epochs] },
      y: { range: (_, __, most) => [0, (most ?? 0) <= least ? least : roundAbove(most)] },
    },
    axes: [
      { ...axis, size: 32 },
      { ...axis, size: 56 },
    ],
    series: [
      { label: 'epoch', value: legend((x) => (typeof x === 'number' ? x.toFixed(2) : nothing)) },
      ...series.map(({ label, color: name, dash, paths }) => ({
        label,
        stroke: color(name),
        width: 2,
        dash,
        paths,
        spanGaps: true,
        value: legend(valueText),
        points: { size: 6, fill: color(name), show: (u, i) => u.data[i].filter((y) => y !== null).length < 40 },
      })),
    ],
  }
  holder.replaceChildren()
  return { id, holder, height, chart: new uPlot(options, columns[id], holder) }
}

/** Draws the charts again, in the current colours. The strokes match `curves.svg`. */
function makePlots() {
  for (const { chart } of plots) chart.destroy()
  plots = [
    plot(
      'curves',
      340,
      1,
      [
        { label: 'train loss', color: '--loss' },
        { label: 'train acc', color: '--train', dash: [6, 3] },
        { label: 'test acc', color: '--test', dash: [8, 3, 2, 3] },
      ],
      three,
    ),
    plot('rate', 190, 0, [{ label: 'rate', color: '--one', paths: uPlot.paths.stepped({ align: -1 }) }], rateText),
    plot('throughput', 190, 0, [{ label: 'images/s', color: '--one' }], wholeText),
  ]
}

/** Draws at most once a frame. */
function draw() {
  if (frame !== 0) return
  frame = requestAnimationFrame(() => {
    frame = 0
    showNumbers()
    if (plots.length === 0) makePlots()
    for (const { id, chart } of plots) chart.setData(columns[id])
  })
}

function say(state, text) {
  byId('status').dataset.state = state
  byId('status').textContent = text
}

/** The browser reconnects by itself and asks for what it missed; if it gives up, this connects again. */
function connect() {
  const source = new EventSource('/events')
  source.addEventListener('open', () => say('live', 'running'))
  source.addEventListener('start', ({ data }) => {
    reset(JSON.parse(data))
    for (const { chart } of plots) chart.destroy()
    plots = []
    draw()
  })
  source.addEventListener('record', ({ data }) => {
    add(JSON.parse(data))
    draw()
  })
  source.addEventListener('end', ({ data }) => {
    const { state, text } = JSON.parse(data)
    source.close()
    if (last) last.secondsLeft = state === 'finished' ? 0 : undefined
    say(state, state === 'stopped' ? text : `${state}: ${text}`)
    draw()
  })
  source.addEventListener('error', () => {
    say('lost', 'connection lost, trying again')
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000)
  })
}

new ResizeObserver(() => {
  for (const { holder, height, chart } of plots) {
    if (holder.clientWidth > 0 && holder.clientWidth !== chart.width)
      chart.setSize({ width: holder.clientWidth, height })
  }
}).observe(document.body)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.length > 0 && makePlots())
connect()

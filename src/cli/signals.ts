// SIGINT and SIGTERM: the first one lets a run save before it stops.
import process from 'node:process'

const CODES = { SIGINT: 130, SIGTERM: 143 } as const
/** npm repeats a SIGINT that the terminal has sent to all processes. Within these milliseconds it is the same signal. */
const ONE_KEY_PRESS = 200
type StopSignal = keyof typeof CODES

export interface StopSignals {
  /** The first signal that came, or null. */
  readonly came: StopSignal | null
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** Leaves the signals to Node again. */
  release(): void
}

/** The exit code that shells expect of a process ended by a signal. */
export function exitCodeOf(signal: StopSignal): number {
  return CODES[signal]
}

/**
 * Handles SIGINT and SIGTERM. The first is noted, so that the run can finish its step and save. The second ends the
 * process at once by process.exit, so that the terminal is restored.
 */
export function stopSignals(): StopSignals {
  let came: StopSignal | null = null
  let at = 0
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now()
    if (came !== null) {
      if (now - at > ONE_KEY_PRESS) process.exit(CODES[signal as StopSignal])
      return
    }
    came = signal as StopSignal
    at = now
    controller.abort()
  }
  const signals = Object.keys(CODES) as StopSignal[]
  for (const signal of signals) process.on(signal, onSignal)
  return {
    get came() {
      return came
    },
    signal: controller.signal,
    release: () => {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}

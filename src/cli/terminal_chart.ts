// Draws the chart of a run under its progress bar on a terminal.
import { styleText } from 'node:util'
import { curvePoints, type HistoryRecord } from '../train/index.ts'
import { CHART_ROWS, type ChartColor, chartFits, chartLines } from './chart.ts'

/** Clears from the cursor to the end of the screen. */
export const CLEAR_BELOW = '\x1b[J'

/** Text that draws a chart under the bar. */
export class TerminalChart {
  readonly #epochs: number
  readonly #color: boolean
  readonly #points: ReturnType<typeof curvePoints>
  readonly #stepsPerEpoch: number

  constructor(epochs: number, stepsPerEpoch: number, records: readonly HistoryRecord[], color: boolean) {
    this.#epochs = epochs
    this.#stepsPerEpoch = stepsPerEpoch
    this.#points = curvePoints(records, stepsPerEpoch)
    this.#color = color
  }

  add(record: HistoryRecord): void {
    const { trainLoss, trainAcc, testAcc } = curvePoints([record], this.#stepsPerEpoch)
    this.#points.trainLoss.push(...trainLoss)
    this.#points.trainAcc.push(...trainAcc)
    this.#points.testAcc.push(...testAcc)
  }

  /**
   * Draws the chart over the lines below the cursor, adding lines at the end of the screen, and returns the cursor to its
   * line, after `column` characters. It is one text, so that no half of it is seen; '' if there is nothing to draw or no
   * room.
   */
  under(column: number, size: { columns: number; rows: number }): string {
    const { trainLoss, testAcc } = this.#points
    if (trainLoss.length + testAcc.length === 0 || !chartFits(size.columns, size.rows)) return ''
    const paint = (text: string, color: ChartColor) =>
      this.#color ? styleText(color, text, { validateStream: false }) : text
    const lines = chartLines(this.#points, this.#epochs, size.columns, paint)
    const back = `\x1b[${CHART_ROWS}A\x1b[${column + 1}G`
    return `${lines.map((line) => `\r\n${line}\x1b[K`).join('')}${back}`
  }
}

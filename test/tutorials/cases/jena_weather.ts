import type { Case } from '../case.ts'
import { given, normal, uniform } from '../given.ts'
import { baseline, JenaWeatherData, Model, type ModelType, trainModel } from '../programs/jena_weather.ts'

/** 120 rows, ten minutes apart, of three columns. */
function csv(): string {
  const values = normal(360, 100)
  const rows = Array.from({ length: 120 }, (_, i) => {
    const time = new Date(Date.UTC(2009, 0, 17, 0, 10 * i)).toISOString()
    const [day, month, clock] = [time.slice(8, 10), time.slice(5, 7), time.slice(11, 19)]
    return [`${day}.${month}.2009 ${clock}`, ...values.subarray(3 * i, 3 * i + 3)].join()
  })
  return ['"Date Time","p (mbar)","T (degC)","rh (%)"', ...rows].join('\n')
}

const window = { lookBack: 24, step: 3, delay: 6, includeDateTime: true }

export default {
  losses: async () => {
    const data = new JenaWeatherData(csv(), 80)
    const first = async (type: ModelType) => {
      const draws = uniform(100, 101).values()
      const ranges = { trained: [0, 80], held: [80, 112] } as const
      const options = {
        ...window,
        ...ranges,
        epochs: 2,
        batchSize: 6,
        batchesPerEpoch: 2,
        random: () => draws.next().value!,
      }
      const { losses, validation } = await trainModel(given(new Model(type, 8, 5)), data, options)
      return [...losses, ...validation]
    }
    const base = await baseline(
      data,
      Array.from({ length: 20 }, (_, i) => 30 + i),
      window,
    )
    return [base, ...(await first('mlp-l2')), ...(await first('gru'))]
  },
} satisfies Case

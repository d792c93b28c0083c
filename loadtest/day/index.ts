/** The day that the talk tells of, measured. */

export { addDayCommand } from './command.ts'

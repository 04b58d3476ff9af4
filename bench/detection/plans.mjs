// What is trained on which catalogue, with every parameter. Chosen on folds that start on 2018-07-11, 07-04, 06-27 and 06-20;
// the folds of the published results start on the days below and chose nothing.

export const TRAIN_STARTS = ['2018-07-25', '2018-08-01', '2018-08-08', '2018-08-15'];
export const DELAYS_D = [7, 3, 1, 0];

/** The published results' own models and settings. */
export const BASELINE_MODELS = [
  { name: 'logistic', kind: 'logistic', fit: { seed: 0 } },
  { name: 'forest', kind: 'forest', fit: { seed: 0, trees: 100 } },
  { name: 'forest-depth-20', kind: 'forest', fit: { seed: 0, trees: 100, params: { max_depth: 20 } } },
  { name: 'xgboost-defaults', kind: 'xgboost', fit: { seed: 0, trees: 100, depth: 6, learning_rate: 0.3 } },
  { name: 'xgboost', kind: 'xgboost', fit: { seed: 0, trees: 100, depth: 3, learning_rate: 0.1 } },
];

/** Steps on the way to others: what the published baseline does not have, and what a ratio says better. */
export const BASELINE_WITHOUT = ['day_of_week', 'hour_of_day'];
export const RICH_WITHOUT = ['usual_amount'];

/**
 * Bins as fine as the data: few payments are suspicious, and by default they would share a handful of bins. What can only make a
 * payment more suspicious is told to the trees: 600 frauds are too few to learn it.
 */
export const RICH_MODELS = [
  {
    name: 'lightgbm',
    kind: 'lightgbm',
    fit: {
      trees: 150,
      leaves: 8,
      learning_rate: 0.05,
      seed: 1,
      seeds: 1,
      params: {
        min_data_in_leaf: 50,
        min_sum_hessian_in_leaf: 0.001,
        max_delta_step: 0,
        lambda_l2: 5,
        feature_fraction: 0.5,
        bagging_fraction: 0.8,
        bagging_freq: 1,
        max_bin: 2047,
        min_data_in_bin: 1,
      },
    },
    monotone: {
      amount: 1,
      amount_ratio: 1,
      high_count_7d: 1,
      high_count_14d: 1,
      fraud_rate_28d: 1,
      unexplained_28d: 1,
      streak: 1,
      still_active: 1,
      genuine_since_fraud: -1,
    },
  },
];

/** [AUC, AP, CP@100]; null: not published. `models`: ours that should come out the same on `folds` or `main`. */
export const PUBLISHED = [
  {
    name: 'Logistic regression',
    main: [0.871, 0.606, 0.291],
    folds: [0.868, 0.623, 0.297],
    same: ['logistic', 'logistic'],
  },
  {
    name: 'Random forest (unlimited on main, depth 20 on folds)',
    main: [0.867, 0.658, 0.287],
    folds: [0.87, 0.678, 0.299],
    same: ['forest', 'forest-depth-20'],
  },
  {
    name: 'XGBoost (library defaults on main, 100 trees, 0.1, depth 3 on folds)',
    main: [0.862, 0.639, 0.273],
    folds: [0.871, 0.694, 0.304],
    same: ['xgboost-defaults', 'xgboost'],
  },
  { name: 'Feed-forward network', main: null, folds: [0.876, 0.675, 0.303], same: null },
  { name: 'LSTM', main: null, folds: [0.876, 0.665, 0.297], same: null },
  { name: 'Balanced bagging', main: null, folds: [0.879, 0.68, 0.305], same: null },
];

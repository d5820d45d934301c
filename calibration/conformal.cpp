// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/conformal.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace moecal::calibration {
namespace {

using Keys = std::vector<std::vector<double>>;

/// Points of equal keys share a fold; by point where there are fewer than 3 keys.
std::vector<int> folds_by_key(const Keys& keys, int folds) {
  std::map<std::vector<double>, int> fold_of_key;
  for (const auto& key : keys) fold_of_key[key] = 0;
  std::vector<std::pair<std::uint64_t, std::vector<double>>> order;
  for (const auto& [key, fold] : fold_of_key) {
    std::uint64_t number = 0;
    for (const double part : key) number = number * 1000003 + static_cast<std::uint64_t>(part);
    order.emplace_back(mix(number), key);
  }
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i)
    fold_of_key[order[i].second] = static_cast<int>(i) % folds;
  std::vector<int> result;
  for (std::size_t i = 0; i < keys.size(); ++i)
    result.push_back(order.size() < 3 ? static_cast<int>(i) % folds : fold_of_key.at(keys[i]));
  return result;
}

/// A curve of more sizes leaves several out at a time, far from one another: a fit for each would
/// take time with the square of their number.
constexpr int kMostFolds = 64;

}  // namespace

double mean_capped_error(std::span<const HeldOut> errors) {
  double sum = 0;
  for (const auto& error : errors) sum += std::min(std::abs(error.log_ratio), kSpikeCap);
  return sum / static_cast<double>(std::max<std::size_t>(1, errors.size()));
}

std::vector<int> folds_by_size(std::span<const FitPoint> points, int folds) {
  std::vector<double> sizes;
  for (const auto& point : points) sizes.push_back(point.inputs.size);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  std::vector<int> fold_of;
  for (const auto& point : points) {
    const auto rank =
        std::lower_bound(sizes.begin(), sizes.end(), point.inputs.size) - sizes.begin();
    const bool end = rank == 0 || rank + 1 == std::ssize(sizes);
    fold_of.push_back(end ? kAlwaysTrained : static_cast<int>(rank % folds));
  }
  return fold_of;
}

std::vector<int> folds_one_out(std::span<const FitPoint> points) {
  return folds_by_size(points, std::min(static_cast<int>(points.size()), kMostFolds));
}

std::vector<int> folds_by_pair(std::span<const FitPoint> points, int folds) {
  Keys keys;
  for (const auto& [inputs, seconds] : points) keys.push_back({inputs.n, inputs.k});
  return folds_by_key(keys, folds);
}

std::vector<int> folds_by_configuration(std::span<const MeasuredCall> calls, int folds) {
  Keys keys;
  for (const auto& call : calls) {
    auto& key = keys.emplace_back();
    for (const auto& [name, value] : call.point)
      if (name != "tokens" && name != "m") key.push_back(static_cast<double>(value));
  }
  return folds_by_key(keys, folds);
}

std::vector<int> folds_by_routing(std::span<const MeasuredCall> calls) {
  std::map<RoutingConditions, int> fold_of_routing;
  std::vector<int> folds;
  for (const auto& call : calls)
    folds.push_back(fold_of_routing.emplace(call.routing, static_cast<int>(fold_of_routing.size()))
                        .first->second);
  if (fold_of_routing.size() < 2) folds.clear();
  return folds;
}

std::vector<int> folds_by_layer_model(std::span<const MeasuredCall> calls) {
  std::map<Point, int> fold_of_model;
  std::vector<int> folds;
  for (const auto& call : calls) {
    const auto model = model_numbers(call.point);
    if (!model) return {};
    folds.push_back(
        fold_of_model.emplace(*model, static_cast<int>(fold_of_model.size())).first->second);
  }
  if (fold_of_model.size() < 2) folds.clear();
  return folds;
}

std::map<int, std::vector<HeldOut>> predict_without(std::span<const FitPoint> points,
                                                    std::span<const int> fold_of,
                                                    const std::set<int>& unseen,
                                                    const FitFunction& fit) {
  std::vector<FitPoint> training;
  training.reserve(points.size());
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!unseen.contains(fold_of[i])) training.push_back(points[i]);
  std::map<int, std::vector<HeldOut>> result;
  try {
    const Model model = fit(training);
    std::vector<std::size_t> rows;
    std::vector<Inputs> calls;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (unseen.contains(fold_of[i])) {
        rows.push_back(i);
        calls.push_back(points[i].inputs);
      }
    const auto seconds = evaluate(model, calls);
    for (std::size_t i = 0; i < rows.size(); ++i)
      result[fold_of[rows[i]]].push_back(
          {calls[i].size, std::log(seconds[i] / points[rows[i]].seconds), rows[i]});
  } catch (const InvalidInput&) {
    // Too few points are left without these folds: they say nothing about the form.
  }
  return result;
}

std::vector<HeldOut> cross_validate(std::span<const FitPoint> points, std::span<const int> fold_of,
                                    const FitFunction& fit, const IsHopeless& is_hopeless) {
  std::vector<HeldOut> all;
  for (const int fold : std::set<int>{fold_of.begin(), fold_of.end()}) {
    if (fold == kAlwaysTrained) continue;
    const auto part = predict_without(points, fold_of, {fold}, fit)[fold];
    all.insert(all.end(), part.begin(), part.end());
    if (is_hopeless && is_hopeless(all)) break;
  }
  return all;
}

double conformal_half_width(std::vector<double> errors) {
  if (errors.empty()) return kUnknownHalfWidth;
  std::sort(errors.begin(), errors.end());
  const auto n = static_cast<double>(errors.size());
  if (errors.size() < static_cast<std::size_t>(kConformalPoints))
    return errors.back() * 10 / (n + 1);
  return errors[static_cast<std::size_t>(std::ceil(0.9 * (n + 1) - 1e-9)) - 1];
}

std::vector<ResidualQuantile> conformal_quantiles(std::span<const HeldOut> held_out,
                                                  std::span<const double> limits) {
  std::vector<ResidualQuantile> quantiles;
  for (std::size_t r = 0; r <= limits.size(); ++r) {
    const double from = r == 0 ? 0 : limits[r - 1], to = r < limits.size() ? limits[r] : 0;
    std::vector<double> errors;
    for (const auto& point : held_out)
      if (point.size >= from && (to == 0 || point.size < to))
        errors.push_back(std::abs(point.log_ratio));
    const int count = static_cast<int>(errors.size());
    quantiles.push_back({from, to, conformal_half_width(std::move(errors)), count});
  }
  return quantiles;
}

std::vector<double> regime_limits(Family family) {
  // The regimes of the published tables: up to 64 KiB, to 4 MiB, above; m up to 64, to 512, above.
  if (family == Family::gemm || family == Family::grouped || family == Family::exchange)
    return {65, 512};
  return {65536.0 + 1, 4.0 * 1048576 + 1};
}

}  // namespace moecal::calibration

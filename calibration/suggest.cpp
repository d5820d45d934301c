// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/suggest.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "calibration/gaussian_process.hpp"
#include "calibration/placed_calls.hpp"
#include "calibration/switches.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// Known points that take part: those most like the wishes. The rest says little beyond them, and
/// time grows with the cube.
constexpr std::size_t kMostKnown = 500;
/// Rows of permute hardly depend on it, but a suite has to name one.
constexpr std::int64_t kExperts = 8;

Query complete(Query query) {
  if (query.operation == "permute" || query.operation == "unpermute")
    query.point.try_emplace("experts", kExperts);
  return query;
}

/// Calls by key, each once, with what it counts for.
struct Weighed {
  PlacedCall call;
  double weight = 0;
};
using Calls = std::map<std::string, Weighed>;

void add(Calls& calls, const MeasuredMachine& machine, const Wish& wish) {
  if (wish.query.point.empty()) return;  // a shape nobody has named
  auto call = machine.call(complete(wish.query));
  call.asked = wish.query.point;
  const auto key = call_key(call);
  calls.try_emplace(key, Weighed{std::move(call), 0}).first->second.weight += wish.weight;
}

Calls calls_of(const MeasuredMachine& machine, std::span<const Wish> wishes) {
  Calls calls;
  for (const auto& wish : wishes) add(calls, machine, wish);
  return calls;
}

Calls calls_of(const MeasuredMachine& machine, std::span<const Query> queries) {
  Calls calls;
  for (const auto& query : queries) add(calls, machine, {query});
  return calls;
}

Calls without_measured(Calls calls) {
  std::erase_if(calls, [](const auto& entry) { return is_measured(entry.second.call); });
  return calls;
}

/// What is wished of a curve over one size.
struct WishedSizes {
  const PlacedCall* call = nullptr;  // one of them
  std::int64_t least = 0, most = 0;
  double weight = 0;  // the largest
};

std::vector<WishedSizes> wished_sizes(const Calls& wishes) {
  std::map<std::string, WishedSizes> curves;
  for (const auto& [key, wish] : wishes) {
    if (wish.call.place.family != Family::transfer || !wish.call.point.contains("bytes")) continue;
    const auto bytes = wish.call.point.at("bytes");
    auto& sizes = curves
                      .try_emplace(call_key(MeasuredMachine::at(wish.call, 0)),
                                   WishedSizes{&wish.call, bytes, bytes, wish.weight})
                      .first->second;
    sizes.least = std::min(sizes.least, bytes);
    sizes.most = std::max(sizes.most, bytes);
    sizes.weight = std::max(sizes.weight, wish.weight);
  }
  std::vector<WishedSizes> all;
  for (const auto& [key, sizes] : curves) all.push_back(sizes);
  return all;
}

void add_size(Calls& calls, const WishedSizes& curve, std::int64_t bytes, double weight) {
  if (bytes <= curve.least || bytes >= curve.most) return;
  auto call = MeasuredMachine::at(*curve.call, bytes);
  auto key = call_key(call);
  calls.try_emplace(std::move(key), Weighed{std::move(call), weight});
}

/// The wishes and, between the sizes that they name, the middle of each switch: where sizes are
/// measured at every doubling, it is there that predictions are wide.
Calls with_switches(const Calls& wishes) {
  Calls all = wishes;
  for (const auto& sizes : wished_sizes(wishes))
    if (sizes.call->curve != nullptr)
      for (const auto& gap : sizes.call->curve->gaps)
        add_size(all, sizes, Switch{gap.from, gap.to}.size_to_measure(), sizes.weight);
  return all;
}

/// The wishes themselves and, of curves over one size, powers of two between them: one point there
/// may serve several.
Calls candidates_for(const Calls& wishes) {
  Calls candidates = wishes;
  for (const auto& sizes : wished_sizes(wishes))
    for (std::int64_t size = 256; size < sizes.most; size *= 2) {
      add_size(candidates, sizes, size, 0);
      if (size > sizes.most / 2) break;
    }
  return candidates;
}

/// Those that say most about any wish.
std::vector<Place> most_telling(std::vector<Place> known, const Calls& wishes) {
  if (known.size() <= kMostKnown) return known;
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < known.size(); ++i) {
    double most = 0;
    for (const auto& [key, wish] : wishes)
      most = std::max(most, covariance(known[i], wish.call.place));
    order.emplace_back(-most, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Place> kept;
  for (std::size_t i = 0; i < kMostKnown; ++i) kept.push_back(known[order[i].second]);
  return kept;
}

/// Everything a design problem numbers, in its order.
struct Numbered {
  std::vector<Place> places;
  std::vector<const SwitchGap*> gaps;
  void add(const Place& place, const SwitchGap* gap) {
    places.push_back(place);
    gaps.push_back(gap);
  }
  [[nodiscard]] double covariance(std::size_t i, std::size_t j) const {
    double sum = calibration::covariance(places[i], places[j]);
    if (gaps[i] != nullptr && gaps[i] == gaps[j])
      sum += gaps[i]->variance *
             std::exp(-std::abs(std::log2(places[i].inputs.size / places[j].inputs.size)) / 2);
    return sum;
  }
};

std::string why(const PlacedCall& call) {
  if (call.kin == nullptr) return "nothing like it is measured";
  if (call.curve == nullptr)
    return call.kin->series->conditions.group == call.ranks.group
               ? "only another dtype is measured"
               : "only other groups are measured";
  if (call.gap != nullptr)
    return "the library switches between " +
           std::to_string(static_cast<std::int64_t>(call.gap->from)) + " and " +
           std::to_string(static_cast<std::int64_t>(call.gap->to)) + " bytes";
  const auto& validity = call.curve->series->validity;
  for (const auto& [name, value] : call.point)
    if (const auto range = validity.find(name); range != validity.end())
      if (static_cast<double>(value) < range->second.first ||
          static_cast<double>(value) > range->second.second)
        return name + " lies outside what is measured";
  return "between measured points";
}

GroupedObservations group(std::span<const ObservationFile> files, const std::string& card) {
  if (files.empty()) return {};
  auto grouped = group_observations(files, card);
  for (const auto& series : grouped.series)
    if (series.card != grouped.series.front().card)
      throw InvalidInput{"the observations are of several cards (" + grouped.series.front().card +
                         ", " + series.card + "): choose one"};
  return grouped;
}

Suggestion suggestion_of(const PlacedCall& call, double deviation) {
  return {call.place.operation, call.dtypes,           call.point, call.ranks, call.routing,
          call.routed,          kNormal95 * deviation, why(call)};
}

}  // namespace

Suggestions suggest(std::span<const ObservationFile> files, const SuggestRequest& request) {
  const auto grouped = group(files, request.card);
  const MeasuredMachine machine{grouped};
  const bool is_free = request.candidates.empty();
  const auto named = calls_of(machine, request.wishes);
  const auto wishes = is_free ? with_switches(named) : named;
  const auto candidates =
      without_measured(is_free ? candidates_for(wishes) : calls_of(machine, request.candidates));
  Numbered numbered;
  DesignProblem problem;
  auto known = machine.known();
  const auto measured_points = static_cast<int>(known.size());
  for (const auto& place : most_telling(std::move(known), wishes)) numbered.add(place, nullptr);
  problem.known = numbered.places.size();
  for (const auto& [key, one] : candidates) numbered.add(one.call.place, one.call.gap);
  problem.candidates = candidates.size();
  for (const auto& [key, one] : wishes) {
    numbered.add(one.call.place, one.call.gap);
    problem.weights.push_back(one.weight);
  }
  problem.targets = wishes.size();
  problem.covariance = [&](std::size_t i, std::size_t j) { return numbered.covariance(i, j); };
  problem.noise_variance = kMeasurementVariance;
  const auto designed = design(problem, request.count);
  Suggestions result{kNormal95 * designed.standard_deviation, {},
                     static_cast<int>(wishes.size()),         measured_points,
                     static_cast<int>(problem.known),         grouped.left_out};
  std::vector<const PlacedCall*> calls;
  for (const auto& [key, one] : candidates) calls.push_back(&one.call);
  for (const auto& choice : designed.choices)
    result.points.push_back(suggestion_of(*calls[choice.candidate], choice.standard_deviation));
  return result;
}

}  // namespace moecal::calibration

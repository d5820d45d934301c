// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/joint_fit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

#include "calibration/candidates.hpp"
#include "calibration/conformal.hpp"
#include "calibration/deciding_settings.hpp"
#include "calibration/group_donors.hpp"
#include "calibration/group_opinions.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/lent_errors.hpp"
#include "calibration/log_log_table.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// A group of a bundle: its points with ranks and nodes, the same as a table, and what a prediction
/// will ask of it.
struct Curve {
  int ranks = 0, nodes = 1;
  std::vector<FitPoint> points;
  Model table, asked;

  [[nodiscard]] bool has(double size) const {
    return size >= table.table.front().first && size <= table.table.back().first;
  }
  [[nodiscard]] double measured(double size) const { return evaluate(table, {.size = size}); }
  [[nodiscard]] double seconds(double size) const { return evaluate(asked, {.size = size}); }
};

/// One operation of one system under conditions that are equal but for the group.
struct Bundle {
  std::vector<const Series*> series;
  std::vector<Curve> curves;
};

/// Groups of one tier by ranks.
using Curves = std::map<int, const Curve*>;

/// The compact form, where there are points enough for one: else no prediction asks it.
Model compact_form(const Series& series, const Model& table) {
  try {
    return fit_compact(series, {}).model;
  } catch (const InvalidInput&) {
    return table;
  }
}

Curve curve_of(const Series& series) {
  Curve curve{series.conditions.group,
              series.conditions.nodes,
              series.points,
              fit_log_log_table(series.points),
              {}};
  curve.asked = curve.table;
  for (auto& point : curve.points) {
    point.inputs.ranks = curve.ranks;
    point.inputs.nodes = curve.nodes;
  }
  return curve;
}

/// A series with what a joint model speaks of taken out of its conditions.
Series without_group(const Series& series) {
  Series any;
  any.operation = series.operation;
  any.card = series.card;
  any.system = series.system;
  any.conditions = series.conditions;
  any.conditions.group = kAnyGroup;
  any.conditions.nodes = 1;
  any.conditions.tier = "intra";
  return any;
}

bool is_joinable(const Series& series) {
  // A group between nodes whose number is unknown cannot be told from one inside a node.
  const auto& c = series.conditions;
  return is_collective(series.operation) && series.one_size && c.group > 1 &&
         (c.tier == "intra" || (c.nodes > 1 && c.group % c.nodes == 0)) && !series.points.empty();
}

using Bundles = std::map<std::string, Bundle>;

Bundles bundles_of(std::span<const Series> all) {
  Bundles bundles;
  for (const auto& series : all) {
    if (!is_joinable(series)) continue;
    auto& bundle = bundles[without_group(series).id()];
    bundle.series.push_back(&series);
    bundle.curves.push_back(curve_of(series));
  }
  return bundles;
}

/// Whether groups can be left out of it, and predicted from the others.
bool has_groups(const Bundle& bundle) { return bundle.curves.size() >= 2; }

/// Has predictions ask compact forms of what they are calibrated by.
void ask_compact_forms(Bundles& own, Bundles& donors, int threads) {
  std::vector<std::pair<const Series*, Curve*>> all;
  for (auto* bundles : {&own, &donors})
    for (auto& [id, bundle] : *bundles)
      for (std::size_t i = 0; has_groups(bundle) && i < bundle.curves.size(); ++i)
        all.emplace_back(bundle.series[i], &bundle.curves[i]);
  for_each_index(all.size(), threads, [&](std::size_t i) {
    const auto& [series, curve] = all[i];
    curve->asked = compact_form(*series, curve->table);
  });
}

/// What donors must share: everything but machine, library release and dtype, of which
/// lending_distance() decides. Where nothing was set it is all one whether something else was set
/// at another time.
std::string donor_key(const Series& series) {
  auto any = without_group(series);
  any.card = any.system = "any";
  any.conditions.release.clear();
  any.conditions.dtype.clear();
  if (are_defaults(any.conditions.settings)) any.conditions.settings.clear();
  return any.id();
}

Curves of_tier(const Bundle& bundle, bool inter) {
  Curves curves;
  for (const auto& curve : bundle.curves)
    if ((curve.nodes > 1) == inter) curves.emplace(curve.ranks, &curve);
  return curves;
}

std::vector<int> groups_of(const Curves& curves) {
  std::vector<int> groups;
  for (const auto& [group, curve] : curves) groups.push_back(group);
  return groups;
}

SecondsByGroup seconds_at(const Curves& curves, double size) {
  SecondsByGroup seconds;
  for (const auto& [group, curve] : curves)
    if (curve->has(size)) seconds[group] = curve->seconds(size);
  return seconds;
}

/// Of what was measured.
std::optional<double> ratio_of(const Curves& donor, std::span<const int> basis, int group,
                               double size) {
  SecondsByGroup seconds;
  for (const auto& [ranks, curve] : donor)
    if (curve->has(size)) seconds[ranks] = curve->measured(size);
  const bool all =
      std::all_of(basis.begin(), basis.end(), [&](int needed) { return seconds.contains(needed); });
  if (!all || !seconds.contains(group)) return std::nullopt;
  return seconds.at(group) / basis_seconds(seconds, basis, group);
}

/// The donors' median ratio at the sizes of the nearest measured group.
DonorRatio donor_ratio(const std::vector<Curves>& donors, const Curves& here, int group) {
  DonorRatio result{group, donor_basis(groups_of(here), group), {}};
  for (const auto& [size, unused] : here.at(result.from.back())->table.table) {
    std::vector<double> ratios;
    for (const auto& donor : donors)
      if (const auto ratio = ratio_of(donor, result.from, group, size)) ratios.push_back(*ratio);
    if (!ratios.empty()) result.ratio.emplace_back(size, median(ratios));
  }
  return result;
}

std::vector<FitPoint> points_of(const Curves& curves) {
  std::vector<FitPoint> points;
  for (const auto& [group, curve] : curves)
    points.insert(points.end(), curve->points.begin(), curve->points.end());
  return points;
}

/// What an error is beyond the disagreement of the ways to see the group: predict() adds the two
/// as hypot(), so the point is covered where this is.
double excess(double error, double disagreement) {
  return std::sqrt(std::max(0.0, error * error - disagreement * disagreement));
}

/// Errors of predicting one group that was left out, from `here`, as predict() does.
std::vector<HeldOut> errors_of(const Curve& unseen, const Curves& here,
                               const std::vector<Curves>& donors) {
  const auto joint = fit_group_scaling(points_of(here));
  const auto donor = donor_ratio(donors, here, unseen.ranks);
  std::vector<HeldOut> errors;
  for (const auto& point : unseen.points) {
    const auto seconds = seconds_at(here, point.inputs.size);
    if (seconds.size() < here.size()) continue;
    const double ratio = donor.ratio.empty() ? 1 : ratio_at(donor, point.inputs.size);
    const auto estimate = unmeasured_group(seconds, unseen.ranks, evaluate(joint, point.inputs),
                                           donor.ratio.empty() ? nullptr : &ratio);
    errors.push_back({point.inputs.size,
                      excess(std::log(estimate.seconds / point.seconds), estimate.disagreement)});
  }
  return errors;
}

/// Held-out errors of groups past those measured, and between them.
struct GroupErrors {
  std::vector<HeldOut> past, between;

  /// Whether there was a point to err at.
  bool take(const Curve& unseen, const Curves& here, const std::vector<Curves>& donors) {
    auto errors = errors_of(unseen, here, donors);
    auto& kind = is_between(groups_of(here), unseen.ranks) ? between : past;
    kind.insert(kind.end(), errors.begin(), errors.end());
    return !errors.empty();
  }
};

bool has_all(const Curves& curves, std::span<const int> groups) {
  return std::all_of(groups.begin(), groups.end(), [&](int g) { return curves.contains(g); });
}

Curves restricted(const Curves& curves, std::span<const int> groups) {
  Curves result;
  for (const int group : groups) result.emplace(group, curves.at(group));
  return result;
}

/// Leaves out each group here, while two stay.
void leave_out_own(const Curves& here, const std::vector<Curves>& donors, GroupErrors& errors) {
  if (here.size() < 3) return;
  for (const auto& [group, curve] : here) {
    auto others = here;
    others.erase(group);
    errors.take(*curve, others, donors);
  }
}

/// Leaves out at each donor what was not measured here, and predicts it from what was. Returns how
/// many donors lent an error.
std::size_t leave_out_at_donors(const Curves& here, const std::vector<Curves>& donors,
                                GroupErrors& errors) {
  std::size_t lenders = 0;
  const auto groups = groups_of(here);
  if (groups.size() < 2) return lenders;
  for (std::size_t i = 0; i < donors.size(); ++i) {
    if (!has_all(donors[i], groups)) continue;
    auto others = donors;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    bool lent = false;
    for (const auto& [group, curve] : donors[i])
      if (!here.contains(group))
        lent = errors.take(*curve, restricted(donors[i], groups), others) || lent;
    if (lent) ++lenders;
  }
  return lenders;
}

std::vector<DonorRatio> ratios_of_unmeasured(const Curves& here,
                                             const std::vector<Curves>& donors) {
  std::set<int> unmeasured;
  for (const auto& donor : donors)
    for (const auto& [group, curve] : donor)
      if (!here.contains(group)) unmeasured.insert(group);
  std::vector<DonorRatio> ratios;
  for (const int group : unmeasured) {
    auto ratio = donor_ratio(donors, here, group);
    if (!ratio.ratio.empty()) ratios.push_back(std::move(ratio));
  }
  return ratios;
}

void widen(std::map<std::string, std::pair<double, double>>& validity, const std::string& name,
           double value) {
  auto& range = validity.try_emplace(name, value, value).first->second;
  range = {std::min(range.first, value), std::max(range.second, value)};
}

void describe(JointFit& joint, const Bundle& bundle) {
  const auto any = without_group(*bundle.series.front());
  auto& model = joint.model;
  model.id = any.id() + "/" + model.form;
  model.operation = any.operation;
  model.card = any.card;
  model.system = any.system;
  model.conditions = any.conditions;
  if (speaks_of_tier(model, "inter")) model.conditions.tier = "inter";
  for (const auto* series : bundle.series) {
    for (const auto& [name, range] : series->validity) {
      widen(model.validity, name, range.first);
      widen(model.validity, name, range.second);
    }
    widen(model.validity, "ranks", series->conditions.group);
    widen(model.validity, "nodes", series->conditions.nodes);
    model.quality.points += static_cast<int>(series->points.size());
    joint.imported = joint.imported || series->imported;
    joint.observation_ids.insert(joint.observation_ids.end(), series->observation_ids.begin(),
                                 series->observation_ids.end());
  }
  std::sort(joint.observation_ids.begin(), joint.observation_ids.end());
}

/// A joint model before its interval is known.
struct Draft {
  JointFit joint;
  GroupErrors errors;
  std::size_t lenders = 0;  // other machines whose errors are among them
};

Draft fit_bundle(const Bundle& bundle, const std::vector<Curves>& donors) {
  const auto intra = of_tier(bundle, false), inter = of_tier(bundle, true);
  std::vector<FitPoint> points;
  for (const auto& curve : bundle.curves)
    points.insert(points.end(), curve.points.begin(), curve.points.end());
  Draft draft{{fit_group_scaling(points), {}, false}, {}, 0};
  describe(draft.joint, bundle);
  if (!intra.empty()) draft.joint.model.donor_ratios = ratios_of_unmeasured(intra, donors);
  leave_out_own(intra, donors, draft.errors);
  leave_out_own(inter, {}, draft.errors);
  draft.lenders = leave_out_at_donors(intra, donors, draft.errors);
  return draft;
}

void append(std::vector<HeldOut>& all, const std::vector<HeldOut>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

/// Errors are pooled over the operations and dtypes of a system: each alone has few groups. But an
/// operation whose protocol makes it harder than the others is not to hide among them: where its
/// own errors are larger they decide.
void add_intervals(std::vector<Draft>& drafts) {
  std::map<std::string, GroupErrors> pools;
  const auto own_pool = [](const Model& model) { return model.system + "/" + model.operation; };
  for (const auto& draft : drafts)
    for (const auto& name : {draft.joint.model.system, own_pool(draft.joint.model)}) {
      append(pools[name].past, draft.errors.past);
      append(pools[name].between, draft.errors.between);
    }
  const auto limits = regime_limits(Family::transfer);
  for (auto& draft : drafts) {
    auto& model = draft.joint.model;
    const auto &pool = pools.at(model.system), &own = pools.at(own_pool(model));
    const double times = for_another_machine(draft.lenders);
    model.residual_quantiles =
        wider(conformal_quantiles(pool.past, limits), conformal_quantiles(own.past, limits), times);
    model.between_quantiles = wider(conformal_quantiles(pool.between, limits),
                                    conformal_quantiles(own.between, limits), times);
    for (auto* quantiles : {&model.residual_quantiles, &model.between_quantiles})
      for (auto& quantile : *quantiles)
        if (quantile.count > 0)
          quantile.half_width_90 = std::max(quantile.half_width_90, kResolution);
  }
}

/// What other systems know of groups like these: each lends what it has in the nearest dtype.
std::vector<Curves> lent_to(const Series& here, std::span<const Bundles* const> pools) {
  std::map<std::string, std::pair<int, std::vector<Curves>>> of_systems;
  for (const auto* pool : pools)
    for (const auto& [id, other] : *pool) {
      const auto& there = *other.series.front();
      if (there.system == here.system || donor_key(there) != donor_key(here)) continue;
      const auto distance =
          lending_distance(here.operation, here.conditions.dtype, there.conditions.dtype);
      if (!distance) continue;
      auto& [nearest, lent] =
          of_systems.try_emplace(there.system, *distance, std::vector<Curves>{}).first->second;
      if (*distance < nearest) lent.clear();
      if (*distance <= nearest) lent.push_back(of_tier(other, false));
      nearest = std::min(nearest, *distance);
    }
  std::vector<Curves> all;
  for (auto& [system, each] : of_systems)
    std::move(each.second.begin(), each.second.end(), std::back_inserter(all));
  return all;
}

}  // namespace

std::vector<JointFit> fit_joint_models(std::span<const Series> own, std::span<const Series> donors,
                                       int threads, bool compact) {
  auto bundles = bundles_of(own), others = bundles_of(donors);
  if (compact) ask_compact_forms(bundles, others, threads);
  const std::array<const Bundles*, 2> pools{&bundles, &others};
  std::vector<const Bundle*> joinable;
  for (const auto& [id, bundle] : bundles)
    if (has_groups(bundle)) joinable.push_back(&bundle);
  std::vector<std::optional<Draft>> fitted(joinable.size());
  for_each_index(joinable.size(), threads, [&](std::size_t i) {
    const auto& bundle = *joinable[i];
    try {
      fitted[i] = fit_bundle(bundle, lent_to(*bundle.series.front(), pools));
    } catch (const InvalidInput&) {
      // Too few points for a joint model: its groups have models of their own.
    }
  });
  std::vector<Draft> drafts;
  for (auto& draft : fitted)
    if (draft) drafts.push_back(std::move(*draft));
  add_intervals(drafts);
  std::vector<JointFit> joints;
  for (auto& draft : drafts) joints.push_back(std::move(draft.joint));
  return joints;
}

}  // namespace moecal::calibration

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/joint_fit.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>

#include "calibration/candidates.hpp"
#include "calibration/conformal.hpp"
#include "calibration/deciding_settings.hpp"
#include "calibration/group_curves.hpp"
#include "calibration/group_donors.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/left_out_groups.hpp"
#include "calibration/lent_errors.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"

namespace moecal::calibration {
namespace {

/// One operation of one system under conditions that are equal but for the group.
struct Bundle {
  std::vector<const Series*> series;
  std::vector<GroupCurve> curves;
};

/// The compact form, where there are points enough for one: else no prediction asks it.
Model compact_form(const Series& series, const Model& table) {
  try {
    return fit_compact(series, {}).model;
  } catch (const InvalidInput&) {
    return table;
  }
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
  return is_call_of_system(series.operation) && series.one_size && c.group > 1 &&
         (c.tier == "intra" || (c.nodes > 1 && c.group % c.nodes == 0)) && !series.points.empty();
}

using Bundles = std::map<std::string, Bundle>;

Bundles bundles_of(std::span<const Series> all) {
  Bundles bundles;
  for (const auto& series : all) {
    if (!is_joinable(series)) continue;
    auto& bundle = bundles[without_group(series).id()];
    bundle.series.push_back(&series);
    bundle.curves.push_back(group_curve(series));
  }
  return bundles;
}

/// Whether groups can be left out of it, and predicted from the others.
bool has_groups(const Bundle& bundle) { return bundle.curves.size() >= 2; }

/// Has predictions ask compact forms of what they are calibrated by.
void ask_compact_forms(Bundles& own, Bundles& donors, int threads) {
  std::vector<std::pair<const Series*, GroupCurve*>> all;
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

GroupCurves of_tier(const Bundle& bundle, Tier tier) {
  GroupCurves curves;
  for (const auto& curve : bundle.curves)
    if (tier_of(curve.nodes) == tier) curves.emplace(curve.ranks, &curve);
  return curves;
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

Draft fit_bundle(const Bundle& bundle, const std::vector<GroupCurves>& donors) {
  const auto intra = of_tier(bundle, Tier::intra), inter = of_tier(bundle, Tier::inter);
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
std::vector<GroupCurves> lent_to(const Series& here, std::span<const Bundles* const> pools) {
  std::map<std::string, std::pair<int, std::vector<GroupCurves>>> of_systems;
  for (const auto* pool : pools)
    for (const auto& [id, other] : *pool) {
      const auto& there = *other.series.front();
      if (there.system == here.system || donor_key(there) != donor_key(here)) continue;
      const auto distance =
          lending_distance(here.operation, here.conditions.dtype, there.conditions.dtype);
      if (!distance) continue;
      auto& [nearest, lent] =
          of_systems.try_emplace(there.system, *distance, std::vector<GroupCurves>{}).first->second;
      if (*distance < nearest) lent.clear();
      if (*distance <= nearest) lent.push_back(of_tier(other, Tier::intra));
      nearest = std::min(nearest, *distance);
    }
  std::vector<GroupCurves> all;
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

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "calibration/form.hpp"
#include "calibration/group_donors.hpp"
#include "calibration/group_opinions.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/prediction_draft.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/selection.hpp"
#include "calibration/settings_choice.hpp"
#include "core/collective.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

Prediction prediction_of(Draft draft, const Model& model) {
  const double factor = std::exp(draft.half_width);
  return {draft.seconds,    draft.seconds / factor, draft.seconds * factor,         model.id,
          model.provenance, std::move(draft.flags), model.conditions.implementation};
}

/// Which implementation answered, where there was a choice.
std::string implementation_flag(const Selection& selection, const Answer& answer) {
  std::set<std::string> all;
  std::string taken;
  for (const auto* model : selection.models) {
    all.insert(model->conditions.implementation);
    if (model->id == answer.prediction->model_id) taken = model->conditions.implementation;
  }
  return all.size() < 2 ? "" : "implementation " + taken + ", the fastest here of: " + join(all);
}

/// The fastest of equally good models; where a joint model asks, of those it was fitted with.
Answer answer_exactly(const Coefficients& coefficients, const Query& query,
                      const Model* joint = nullptr) {
  auto selection = select_models(coefficients, query, joint);
  Answer answer;
  answer.missing = selection.missing;
  answer.several_settings = selection.several_settings;
  const Model* taken = nullptr;
  for (const auto* model : selection.models) {
    auto prediction = prediction_of(draft_of(*model, query), *model);
    if (answer.prediction && prediction.seconds >= answer.prediction->seconds) continue;
    answer.prediction = std::move(prediction);
    taken = model;
  }
  if (taken != nullptr) {
    auto flags = stand_in_flags(*taken, query);
    selection.flags.insert(selection.flags.begin(), flags.begin(), flags.end());
  }
  const auto taken_flag = implementation_flag(selection, answer);
  if (!taken_flag.empty()) selection.flags.push_back(taken_flag);
  if (answer.prediction)
    answer.prediction->flags.insert(answer.prediction->flags.begin(), selection.flags.begin(),
                                    selection.flags.end());
  return answer;
}

double half_width(const Prediction& p) { return std::log(p.hi / p.seconds); }

/// What the measured groups of the query's tier say of its point.
struct MeasuredGroups {
  std::vector<int> groups;  // ascending
  SecondsByGroup seconds;   // of those next to the query's
  double half_width = 0;    // the widest of theirs
  double least_half_width = std::numeric_limits<double>::infinity();
  double run_doubt = 0;  // likewise
  int ranks_per_node = 1;
  double off_ranks_per_node = 0;  // that were measured and are nearest to those asked; 0: as asked
  double node_doublings = 0;  // most between the nodes asked of and those a time was measured on
  std::string names;          // of their models
  std::string provenance;
  std::vector<std::string> flags;

  void take(int group, const Prediction& p) {
    seconds[group] = p.seconds;
    half_width = std::max(half_width, calibration::half_width(p));
    least_half_width = std::min(least_half_width, calibration::half_width(p));
    names += (names.empty() ? "" : " + ") + p.model_id;
    provenance = p.provenance;
    for (const auto& flag : p.flags)
      if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(flag);
  }
};

double joint_at(const Model& joint, const Query& query, double ranks, double nodes) {
  Inputs inputs{.size = static_cast<double>(query.point.at("bytes"))};
  inputs.ranks = ranks;
  inputs.nodes = nodes;
  return evaluate(joint, inputs);
}

/// Nodes that a group spans with as many ranks on each as the query says; 0: it does not say.
double nodes_as_asked(const Query& query, int group) {
  if (query.tier == "intra" || query.nodes == 0) return 0;
  return std::max(2.0, static_cast<double>(group) * query.nodes / query.group);
}

/// A neighbour as it was measured; where it was with as many ranks on a node as the query says, so.
Query neighbour_query(const Coefficients& coefficients, const Query& query, const Model& joint,
                      int group) {
  Query near = query;
  near.group = group;
  const double nodes = nodes_as_asked(query, group);
  near.nodes = nodes == std::floor(nodes) ? static_cast<int>(nodes) : 0;
  if (select_models(coefficients, near, &joint).models.empty()) near.nodes = 0;
  return near;
}

/// Takes a time to other nodes than it was measured on, by what the joint model says of the two.
void move_to_nodes(Prediction& p, const Query& query, const Model& joint,
                   const Conditions& measured) {
  const double nodes = nodes_as_asked(query, measured.group);
  if (nodes == 0 || nodes == measured.nodes) return;
  const double factor = joint_at(joint, query, measured.group, nodes) /
                        joint_at(joint, query, measured.group, measured.nodes);
  for (double* seconds : {&p.seconds, &p.lo, &p.hi}) *seconds *= factor;
  p.flags.push_back("the time of " + std::to_string(measured.group) + " ranks on " +
                    std::to_string(measured.nodes) + " nodes is taken to " + number(nodes) +
                    " nodes by the joint model: x" + number(factor));
}

/// The ranks a node that were measured and are nearest to those asked of, by their ratio; 0 where
/// these were measured or none were asked of.
double nearest_but_other(const std::vector<double>& measured, const Query& query) {
  if (query.tier == "intra" || query.nodes == 0 || measured.empty()) return 0;
  const double asked = static_cast<double>(query.group) / query.nodes;
  const auto apart = [&](double a_node) { return std::abs(std::log(a_node / asked)); };
  const double nearest = std::ranges::min(measured, {}, apart);
  return apart(nearest) < 1e-9 ? 0 : nearest;
}

MeasuredGroups measured_around(const Coefficients& coefficients, const Query& query,
                               const Model& joint) {
  MeasuredGroups result;
  std::vector<double> a_node;
  Query any = query;
  any.nodes = 0;
  result.groups = measured_groups(coefficients, any, joint);
  for (const int group : neighbours(result.groups, query.group)) {
    const auto near = neighbour_query(coefficients, query, joint, group);
    auto answer = answer_exactly(coefficients, near, &joint);
    if (!answer.prediction) continue;
    const auto* nearest = select_models(coefficients, near, &joint).models.front();
    const auto& measured = nearest->conditions;
    move_to_nodes(*answer.prediction, query, joint, measured);
    result.take(group, *answer.prediction);
    result.run_doubt = std::max(result.run_doubt, run_doubt(nearest->quality.variance));
    result.ranks_per_node = group / std::max(1, measured.nodes);
    if (const double nodes = nodes_as_asked(query, group); nodes != 0)
      result.node_doublings =
          std::max(result.node_doublings, std::abs(std::log2(nodes / measured.nodes)));
    a_node.push_back(static_cast<double>(group) / measured.nodes);
  }
  result.off_ranks_per_node = nearest_but_other(a_node, query);
  return result;
}

/// What the joint model alone says. The groups it was fitted to tell how ranks are spread.
double joint_seconds(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  const int spread = (query.group + measured.ranks_per_node - 1) / measured.ranks_per_node;
  const int nodes =
      query.tier == "intra" ? 1 : std::max(2, query.nodes != 0 ? query.nodes : spread);
  return joint_at(joint, query, query.group, nodes);
}

const DonorRatio* donor_of(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  for (const auto& donor : joint.donor_ratios)
    if (query.tier == "intra" && donor.group == query.group &&
        donor.from == donor_basis(measured.groups, query.group))
      return &donor;
  return nullptr;
}

/// The groups that calibrated the interval were a doubling away from the nearest measured one:
/// further is wider.
double doublings_away(const std::vector<int>& groups, int group) {
  if (groups.empty()) return 1;
  const double nearest = std::clamp(group, groups.front(), groups.back());
  return std::max(1.0, std::abs(std::log2(group / nearest)));
}

bool is_within_sizes(const Model& joint, const Query& query) {
  const auto [low, high] = joint.validity.at("bytes");
  const auto bytes = static_cast<double>(query.point.at("bytes"));
  return bytes >= low && bytes <= high;
}

/// Why the interval is as wide as it is: what would have made it narrower.
std::string no_donor_flag(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  auto groups = donor_basis(measured.groups, query.group);
  groups.push_back(query.group);
  std::sort(groups.begin(), groups.end());
  return "no other system of the fit lent what can stand in over groups of " + join(groups) +
         (only_moves_bytes(joint.operation)
              ? ""
              : " in " + joint.conditions.dtype + " or a type that adds up like it") +
         ": the interval is the wider for it";
}

void hold_ranks_per_node(Draft& draft, const Model& joint, const Query& query,
                         const MeasuredGroups& measured) {
  const double a_node = measured.off_ranks_per_node;
  if (a_node == 0) return;
  Inputs asked{.size = static_cast<double>(query.point.at("bytes"))};
  asked.ranks = query.group;
  asked.nodes = std::max(2, query.nodes);
  std::vector<int> near;
  for (const auto& [group, seconds] : measured.seconds) near.push_back(group);
  draft.half_width = std::hypot(draft.half_width, ranks_per_node_doubt(joint, asked, a_node));
  draft.flags.push_back("groups of " + join(near) + " were not measured at " +
                        number(asked.ranks / asked.nodes) + " ranks a node, but at " +
                        number(a_node) +
                        ": the interval holds that a node's ranks have no say between nodes, and "
                        "that latency and rate go with them");
}

Draft draft_unmeasured(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  const auto* donor = donor_of(joint, query, measured);
  const double size = static_cast<double>(query.point.at("bytes"));
  const double ratio = donor == nullptr ? 1 : ratio_at(*donor, size);
  const auto estimate =
      unmeasured_group(measured.seconds, query.group, joint_seconds(joint, query, measured),
                       donor == nullptr ? nullptr : &ratio);
  Draft draft{estimate.seconds, 0, measured.flags};
  // The errors between groups are of times on as many ranks a node as were measured.
  const bool between = measured.node_doublings == 0 && is_between(measured.groups, query.group);
  add_interval(draft, between ? joint.between_quantiles : joint.residual_quantiles, size);
  draft.half_width *= doublings_away(measured.groups, query.group) + measured.node_doublings;
  // The quantiles are of what errors are beyond the disagreement of the ways to see the group.
  draft.half_width = std::hypot(draft.half_width, estimate.disagreement);
  // Inside the sizes measured the errors of groups left out hold those of the curves, but less of
  // them the more the ways to see those groups disagreed.
  if (!is_within_sizes(joint, query) || measured.node_doublings > 0)
    draft.half_width = std::hypot(draft.half_width, measured.half_width);
  else
    draft.half_width = std::hypot(draft.half_width, measured.run_doubt);
  // A group never measured is known no better than the best known of those it is predicted from.
  if (!measured.seconds.empty())
    draft.half_width = std::max(draft.half_width, measured.least_half_width);
  std::string flag = "a group of " + std::to_string(query.group) + " ranks " +
                     (query.nodes > 1 ? "on " + std::to_string(query.nodes) + " nodes " : "") +
                     "was never measured: predicted by a joint model";
  if (!measured.groups.empty()) flag += " from groups of " + join(measured.groups);
  if (donor != nullptr) flag += " and what other systems show";
  draft.flags.push_back(std::move(flag));
  hold_ranks_per_node(draft, joint, query, measured);
  if (donor == nullptr && query.tier == "intra")
    draft.flags.push_back(no_donor_flag(joint, query, measured));
  return draft;
}

Prediction predict_unmeasured(const Coefficients& coefficients, const Query& query,
                              const Model& joint) {
  const auto measured = measured_around(coefficients, query, joint);
  auto prediction = prediction_of(draft_unmeasured(joint, query, measured), joint);
  if (!measured.names.empty()) prediction.model_id += " + " + measured.names;
  return prediction;
}

/// A group size that was never measured, by the joint model over those that were.
Answer answer_unmeasured_group(const Coefficients& coefficients, const Query& query) {
  if (!query.point.contains("bytes")) return {};
  const auto selection = select_joints(coefficients, query);
  Answer answer;
  std::set<std::string> implementations;
  for (const auto* joint : selection.models) {
    implementations.insert(joint->conditions.implementation);
    auto prediction = predict_unmeasured(coefficients, query, *joint);
    if (!answer.prediction || prediction.seconds < answer.prediction->seconds)
      answer.prediction = std::move(prediction);
  }
  if (!answer.prediction) return {{}, selection.missing, false, selection.several_settings};
  auto flags = selection.flags;
  if (implementations.size() > 1)
    flags.push_back("the fastest here of the implementations: " + join(implementations));
  for (auto& flag : answer.prediction->flags)
    if (std::find(flags.begin(), flags.end(), flag) == flags.end())
      flags.push_back(std::move(flag));
  answer.prediction->flags = std::move(flags);
  return answer;
}

void check(const Query& query) {
  if (!query.dtype.empty()) (void)parse_dtype(query.dtype);
  if (query.group < 1)
    throw InvalidInput{"a group of " + std::to_string(query.group) + " ranks does not exist"};
}

Answer answer_asked(const Coefficients& coefficients, const Query& query) {
  if (const auto machines = matching_machines(coefficients, query); machines.size() > 1)
    return {{},
            "models of " + query.operation + " are of " + std::to_string(machines.size()) + " " +
                (is_call_of_system(query.operation) ? "systems" : "cards") +
                "; choose one: " + join(machines),
            true};
  auto answer = answer_exactly(coefficients, query);
  if (answer.prediction || answer.several_settings || !is_call_of_system(query.operation))
    return answer;
  auto predicted = answer_unmeasured_group(coefficients, query);
  return predicted.prediction || predicted.several_settings ? predicted : answer;
}

}  // namespace

Prediction predict_with(const Model& model, const Point& point, const RoutingConditions& routing) {
  Query query;
  query.operation = model.operation;
  query.point = point;
  query.routing = routing.distribution;
  if (routing.exponent != 0) query.exponent = routing.exponent;
  query.capacity_factor = routing.capacity_factor;
  query.loads = routing.loads;
  return prediction_of(draft_of(model, query), model);
}

Answer predict(const Coefficients& coefficients, const Query& query) {
  check(query);
  const auto unknown = no_conditions(coefficients, query);
  if (unknown.empty()) return answer_asked(coefficients, query);
  auto without = query;
  for (const auto& [name, value] : unknown) without.settings.erase(name);
  auto answer = answer_asked(coefficients, without);
  if (answer.prediction)
    for (const auto& [name, value] : unknown)
      answer.prediction->flags.push_back(name + " is not a condition of this model (asked: " +
                                         value + "): as measured, whatever it was then");
  return answer;
}

}  // namespace moecal::calibration

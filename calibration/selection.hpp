// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <vector>

#include "calibration/features.hpp"
#include "calibration/predict.hpp"

namespace moecal::calibration {

/// The models that answer a query best, with what had to be given up for it.
struct Selection {
  std::vector<const Model*>
      models;                      // equally good but for their implementation, each at its newest
  std::vector<std::string> flags;  // e.g. "release 2.29 of nccl answers, the newest of 2; ..."
  std::string missing;             // where models is empty: what there is no model of
  bool several_settings = false;   // where models is empty: `missing` lists what to choose from
};

/// What had to be given up where this model answers: e.g. "dtype f16 stands in for bf16".
[[nodiscard]] std::vector<std::string> stand_in_flags(const Model& model, const Query& query);

/// The best of those that match, by model_order.hpp. The query's group size must be matched
/// exactly. `joint`: only of the models that it was fitted with, whose release and dtype are its
/// own; null: of all.
[[nodiscard]] Selection select_models(const Coefficients& coefficients, const Query& query,
                                      const Model* joint = nullptr);

/// The joint models over group sizes that match the query in everything but group and tier, and
/// speak of its tier. The flags also say which groups were measured, but otherwise than theirs, and
/// what differs.
[[nodiscard]] Selection select_joints(const Coefficients& coefficients, const Query& query);

/// Group sizes of models that match the query in everything else and were fitted with the joint
/// model, ascending.
[[nodiscard]] std::vector<int> measured_groups(const Coefficients& coefficients, const Query& query,
                                               const Model& joint);

/// Whose times a model's or a series' are: the system's whose ranks take part, or the card's.
template <class Measured>
[[nodiscard]] const std::string& machine_of(const Measured& measured) {
  const bool of_system = is_call_of_system(measured.operation) && !measured.system.empty();
  return of_system ? measured.system : measured.card;
}

/// Machines with models that match the query: cards, or for a collective systems. Of the query's
/// group if there are any of it, else of any group.
[[nodiscard]] std::set<std::string> matching_machines(const Coefficients& coefficients,
                                                      const Query& query);

}  // namespace moecal::calibration

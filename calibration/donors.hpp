// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/coefficients.hpp"
#include "calibration/form.hpp"
#include "core/card.hpp"

namespace moecal::calibration {

/// A card that was measured: its spec sheet and the models fitted to it.
struct Donor {
  Card card;
  std::vector<Model> models;
  std::string source{};  // where its observations came from, and their licence
};

/// The measured cards of the files, by id. Transferred and nominal models measure nothing and are
/// left aside, and so are cards without a spec sheet: shares of unknown figures say nothing.
[[nodiscard]] std::vector<Donor> donors_of(std::span<const Coefficients> files,
                                           const std::vector<Card>& cards);

/// One point of a donor's curve.
struct Probe {
  Point point;
  FitPoint fit;           // seconds as its models predict them
  double half_width = 0;  // of log time: how well its own models know it
};

/// What one card says about one series: an operation under the same conditions, whatever library
/// and release it was measured with.
struct Evidence {
  const Donor* donor = nullptr;
  Coefficients models;        // of this series alone
  std::vector<Probe> probes;  // none of several kernels in one figure
};

/// Everything that tells series apart, without the machine, the library and its release.
[[nodiscard]] std::string series_key(const Model& model);

/// Each series with the cards that measured it, in the order of the donors.
[[nodiscard]] std::map<std::string, std::vector<Evidence>> evidence_of(
    std::span<const Donor> donors);

/// Seconds one card's models of a series predict at a point of it.
[[nodiscard]] double donor_seconds(const Evidence& evidence, const Point& point);

}  // namespace moecal::calibration

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calibration/boosted_trees.hpp"
#include "calibration/radial_basis.hpp"
#include "core/point.hpp"

namespace moecal::calibration {

inline constexpr char kCoefficientsSchema[] = "moecal.coefficients/1";

/// A named number of a model with its unit and standard error (0 where none was estimated).
struct Parameter {
  std::string name;
  double value = 0;
  std::string unit;
  double standard_error = 0;
};

/// How the tokens of a series chose experts. Its seed is no condition: draws of one distribution
/// are repeats.
struct RoutingConditions {
  std::string distribution{};   // see RoutingSpec; empty: the operation was not routed
  double exponent = 0;          // of power_law and power_law_loads; else 0
  double capacity_factor = 0;   // 0: no limit
  std::vector<double> loads{};  // of recorded, see RoutingSpec; else empty
  auto operator<=>(const RoutingConditions&) const = default;
};

/// What an exchange by a routing draw asks of its ranks; its mean is 0 where that is not known.
struct ExchangeLoad {
  double mean_bytes = 0;  // that a rank sends and receives
  double skew = 1;        // bytes of the busiest rank over the mean
  auto operator<=>(const ExchangeLoad&) const = default;
};

/// A call that was measured. The routing is empty where it is a condition of the series or the
/// operation has none.
struct MeasuredCall {
  Point point;
  RoutingConditions routing{};
  ExchangeLoad load{};
  auto operator<=>(const MeasuredCall&) const = default;
};

/// The `group` of a joint model: it was fitted to several group sizes and speaks of any.
inline constexpr int kAnyGroup = 0;

/// Of libraries, device and host, by name, as recorded; see deciding_settings.hpp.
using Settings = std::map<std::string, std::string>;

/// What a model holds for: one series of observations.
struct Conditions {
  std::string dtype{};  // of operand or payload, see Dtypes::a
  int group = 1;        // ranks; kAnyGroup of a joint model
  std::string placement = "contiguous";
  std::string tier = "intra";
  int concurrent_groups = 1;
  std::string implementation{};  // e.g. nccl, onednn_packed
  std::string release{};         // of the library, e.g. 2.29.2
  std::string output_dtype{};    // of the result, see Dtypes::c; empty: as the operand
  std::string scale_mode{};      // see Dtypes::scale_mode; empty where the operation has no scales
  std::string cache = "warm";    // see Policy::cache
  std::string graph = "none";    // see Policy::graph
  RoutingConditions routing{};
  int nodes = 1;             // that the ranks of a group of tier inter are spread over, evenly
  std::string layout{};      // see Dtypes::layout; empty: TN, or not said
  bool any_routing = false;  // of an exchange whose ranks' bytes were recorded: they tell its calls
                             // apart, and `routing` is empty
  Settings settings{};       // in which observations of the operation differ; else empty
  bool operator==(const Conditions&) const = default;
};

/// Quantiles of |log(predicted/measured)| on held-out data, per size regime: [from, to) of the size
/// variable (calibration/features.hpp); the last regime has no end: its `to` is 0.
struct ResidualQuantile {
  double from = 0, to = 0;
  double half_width_90 = 0;  // of log time
  int count = 0;             // held-out points it was calibrated on; under 9 it was widened
};

/// Where log times of one point differ: inside a run from sample to sample, and from run to run by
/// more than that explains (another allocation, another day, another node of the kind).
struct VarianceComponents {
  int runs = 0;             // most runs of any point
  double within_run = 0;    // standard deviation of log time; known if samples_in_runs is not 0
  double between_runs = 0;  // the same; known with 2 runs. Without within_run it holds both
  int samples_in_runs = 0;  // beyond the first of each run: of them within_run is made
  // Independent comparisons that between_runs is made of: runs that differ as wholes are compared
  // once, whatever their points. 0: not said.
  double between_freedom = 0;
  bool operator==(const VarianceComponents&) const = default;
};

struct FitQuality {
  int points = 0;
  double in_sample_median_ape = 0, held_out_median_ape = 0, held_out_p90_ape = 0;  // fractions
  int held_out_points = 0;  // predicted by fits that did not see them; 0: the two above say nothing
  int repeated_points = 0;  // measured more than once
  double between_run_spread = 0;  // median over those of max/min - 1 of the repeats' seconds
  VarianceComponents variance{};
};

/// How much longer a call takes over a group size that was measured on other systems only.
struct DonorRatio {
  int group = 0;          // ranks never measured here
  std::vector<int> from;  // groups measured here: the nearest, or the nearest on either side
  /// (bytes, seconds over `group` per second over `from`), ascending; over two groups the second is
  /// their log-log interpolation in ranks. The median of the donors.
  std::vector<std::pair<double, double>> ratio;
};

/// Where a residual counts: wholly within `reach` of a centre, not at all from twice as far.
struct ResidualGate {
  double reach = 0;                  // octaves, in the coordinate that differs most
  std::vector<Coordinates> centres;  // log2 of the features' coordinates
};

/// A library's change of protocol between two neighbouring sizes that were sampled
/// (calibration/switches.hpp), with the curve beyond either.
struct SwitchBracket {
  std::pair<double, double> bytes, seconds;  // of the smaller size and of the larger
  std::pair<double, double> slopes{0, 1};    // of log seconds over log bytes, below and above
};

inline constexpr char kSymmetricTrees[] = "symmetric_trees";
inline constexpr char kRadialBasis[] = "radial_basis";

/// What is added to a compact form's log time, learnt from what the form leaves over.
struct Residual {
  std::string kind;            // symmetric_trees | radial_basis
  std::string features;        // what it asks about: a name of calibration/residual_features.hpp
  double multiprocessors = 0;  // of the card; 0: unknown
  BoostedTrees trees;          // of symmetric_trees
  RadialBasis basis;           // of radial_basis, whose centres are the gate's
  ResidualGate gate;
  std::vector<ResidualQuantile> compact_quantiles;  // of the compact form alone, past the gate
};

/// One fitted model. log t = compact form + gated residual.
struct Model {
  std::string id;  // stable: derived from operation, card, conditions and form
  std::string operation;
  std::string card, system;
  Conditions conditions;
  std::string form;  // a name of calibration/form.hpp
  std::vector<Parameter> parameters;
  std::vector<double> knots;  // switch sizes, where the form has them
  std::vector<std::pair<double, double>>
      table;  // (size, seconds) of a point table; empty in compact form
  // Of a pooled_curve: how many times residual_quantiles an interval is wide at each row of the
  // table. Empty: once.
  std::vector<double> table_scales{};
  // Of a compact form of a curve: what it smooths over. A table says it by itself.
  std::vector<SwitchBracket> switches{};
  std::vector<ResidualQuantile> residual_quantiles;
  // Of a joint model over group sizes: `residual_quantiles` holds past the groups measured, this
  // between them.
  std::vector<ResidualQuantile> between_quantiles{};
  std::vector<DonorRatio> donor_ratios{};
  // Of MoE layers: the models that were measured (model_numbers() of features.hpp), and what holds
  // for any other in the place of `residual_quantiles`: errors at models that a fit did not see.
  std::vector<Point> layer_models{};
  std::vector<ResidualQuantile> unseen_model_quantiles{};
  std::map<std::string, std::pair<double, double>> validity;  // named number of Point -> [lo, hi]
  // Measured, of an operation whose cost takes the routing as a number; else empty.
  std::vector<RoutingConditions> routings{};
  // Least and most that was measured of ExchangeLoad::skew; absent where it is not known.
  std::optional<std::pair<double, double>> skews{};
  FitQuality quality;
  std::vector<std::string> observation_ids;  // digests of the observations used
  std::string provenance = "measured";       // measured | imported | transferred | nominal
  std::optional<Residual> residual{};
};

/// How an operation's time changed from one release of its library to the next that was measured.
struct ReleaseDrift {
  std::string operation, machine, implementation;
  std::string from, to;                // releases, the older first
  double median = 0, p5 = 0, p95 = 0;  // of seconds in `to` over seconds in `from`
  int points = 0;                      // that were measured with both
};

/// A fit's result for one file: small JSON, published schema
/// (results/schema/coefficients.schema.json).
struct Coefficients {
  std::string
      source;  // where the observations came from, and their licence where they are not ours
  std::string commit;  // of the moecal that fitted
  std::vector<Model> models;
  std::vector<ReleaseDrift> drift{};  // between releases that have models here
};

/// @throws InvalidInput naming file and field, also on another schema version.
[[nodiscard]] Coefficients read_coefficients(const std::string& path);
/// The same from text; `name` stands for the file in messages.
[[nodiscard]] Coefficients parse_coefficients(const std::string& text, const std::string& name);
/// Models in the order of their ids; the same coefficients give the same bytes.
[[nodiscard]] std::string to_json(const Coefficients& coefficients);

}  // namespace moecal::calibration

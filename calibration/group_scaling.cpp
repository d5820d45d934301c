// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_scaling.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.1;        // of log time: the form's own error, above the noise
constexpr double kLeast = -60;            // of the logarithm of a parameter
constexpr double kMostSharpness = 5;      // of log(q - 1): past it the corner is a max
constexpr double kSharpnessPrior = 0.02;  // residual of each unit of log(q - 1)

double sharpen(double a, double b, double q) {
  const double most = std::max(a, b), least = std::min(a, b);
  if (least <= 0) return most;
  return most * std::pow(1 + std::pow(least / most, q), 1 / q);
}

/// The equation's numbers, out of a model or a fit's vector.
struct Terms {
  double latency = 0, per_rank = 0, per_node = 0, intra = 0, inter = 0, leaving = 0, sharpness = 1;
};

/// What a group's latency is but for what each node adds.
double latency_of_ranks(const Terms& terms, double a_node, bool crosses) {
  return terms.latency + terms.per_rank * (std::max(a_node, 1.0) - 1) +
         (crosses ? terms.leaving : 0);
}

double seconds(const Terms& terms, const Inputs& in) {
  const double nodes = std::max(in.nodes, 1.0);
  const double latency =
      latency_of_ranks(terms, in.ranks / nodes, nodes > 1) + terms.per_node * (nodes - 1);
  return sharpen(latency, in.size * (nodes > 1 ? terms.inter : terms.intra), terms.sharpness);
}

struct Named {
  const char *name, *unit;
  double Terms::*term;
};
constexpr std::array<Named, 6> kNamed{{{"latency", "s", &Terms::latency},
                                       {"latency_per_rank", "s", &Terms::per_rank},
                                       {"latency_per_node", "s", &Terms::per_node},
                                       {"inverse_bandwidth_intra", "s/B", &Terms::intra},
                                       {"inverse_bandwidth_inter", "s/B", &Terms::inter},
                                       {"latency_of_leaving", "s", &Terms::leaving}}};

Terms terms_of(const Model& model) {
  Terms terms;
  for (const auto& named : kNamed) terms.*named.term = parameter_or(model, named.name, 0);
  terms.sharpness = parameter(model, "sharpness");
  return terms;
}

double seconds_of_model(const Model& model, const Inputs& in) {
  if (!speaks_of_tier(model, in.nodes > 1 ? "inter" : "intra"))
    throw InvalidInput{"model '" + model.id + "' was fitted to no group " +
                       (in.nodes > 1 ? "that crosses nodes" : "inside a node")};
  return seconds(terms_of(model), in);
}

/// Which parameters the points can tell of, and where a fit starts.
class Layout {
 public:
  explicit Layout(std::span<const FitPoint> points) {
    std::set<double> per_node, nodes;
    bool intra = false, inter = false;
    for (const auto& p : points) {
      per_node.insert(p.inputs.ranks / p.inputs.nodes);
      nodes.insert(p.inputs.nodes);
      (p.inputs.nodes > 1 ? inter : intra) = true;
    }
    const double shortest = shortest_time(points);
    add(0, shortest / 2);
    if (per_node.size() > 1) add(1, shortest / 4);
    if (nodes.size() > 1) add(2, shortest / 4);
    if (intra) add(3, last_slope(points, Tier::intra));
    if (inter) add(4, last_slope(points, Tier::inter));
    // Of one node count it could not be told from what each node adds.
    if (intra && nodes.size() > 2) add(5, shortest / 4);
  }

  /// Logarithms of the parameters, and of q - 1 in the last place.
  [[nodiscard]] LeastSquares problem(std::span<const FitPoint> points) const {
    LeastSquares problem;
    problem.rows = points.size() + 1;
    problem.loss_scale = kLossScale;
    problem.start = start_;
    problem.start.push_back(0);
    problem.lower.assign(problem.start.size(), kLeast);
    problem.upper.assign(problem.start.size(), 10);
    problem.lower.back() = -kMostSharpness;
    problem.upper.back() = kMostSharpness;
    problem.residuals_of_all = [this, points](std::span<const double> packed,
                                              std::span<double> residuals) {
      const auto at = terms(packed);
      for (std::size_t row = 0; row < points.size(); ++row)
        residuals[row] = std::log(seconds(at, points[row].inputs) / points[row].seconds);
      residuals[points.size()] = kSharpnessPrior * packed.back();
    };
    return problem;
  }

  [[nodiscard]] Model model(std::span<const double> packed,
                            std::span<const double> log_errors) const {
    const auto found = terms(packed);
    Model model;
    model.form = "group_scaling";
    for (std::size_t i = 0; i < named_.size(); ++i) {
      const double value = found.*named_[i]->term;
      model.parameters.push_back({named_[i]->name, value, named_[i]->unit, value * log_errors[i]});
    }
    model.parameters.push_back(
        {"sharpness", found.sharpness, "1", (found.sharpness - 1) * log_errors.back()});
    return model;
  }

 private:
  void add(std::size_t named, double start) {
    named_.push_back(&kNamed[named]);
    start_.push_back(std::log(start));
  }

  [[nodiscard]] Terms terms(std::span<const double> packed) const {
    Terms terms;
    for (std::size_t i = 0; i < named_.size(); ++i) terms.*named_[i]->term = std::exp(packed[i]);
    terms.sharpness = 1 + std::exp(packed.back());
    return terms;
  }

  static double shortest_time(std::span<const FitPoint> points) {
    return std::min_element(
               points.begin(), points.end(),
               [](const FitPoint& a, const FitPoint& b) { return a.seconds < b.seconds; })
        ->seconds;
  }

  /// Seconds per byte of the largest size of a tier.
  static double last_slope(std::span<const FitPoint> points, Tier tier) {
    double size = 0, slope = 0;
    for (const auto& p : points)
      if (tier_of(p.inputs.nodes) == tier && p.inputs.size > size) {
        size = p.inputs.size;
        slope = p.seconds / p.inputs.size;
      }
    return slope;
  }

  std::vector<const Named*> named_;
  std::vector<double> start_;
};

void check(std::span<const FitPoint> points) {
  std::set<std::pair<double, double>> groups;
  for (const auto& p : points) groups.insert({p.inputs.ranks, p.inputs.nodes});
  if (groups.size() < 2)
    throw InvalidInput{"a joint model over group sizes needs at least two of them"};
  if (points.size() < 8)
    throw InvalidInput{"a joint model over group sizes needs at least 8 points"};
}

}  // namespace

Form group_scaling_form() {
  return {"group_scaling",
          {{"latency", "s"},
           {"latency_per_rank", "s", false},
           {"latency_per_node", "s", false},
           {"inverse_bandwidth_intra", "s/B", false},
           {"inverse_bandwidth_inter", "s/B", false},
           {"latency_of_leaving", "s", false},
           {"sharpness", "1"}},
          seconds_of_model};
}

Model fit_group_scaling(std::span<const FitPoint> points) {
  check(points);
  const Layout layout{points};
  const auto problem = layout.problem(points);
  const auto solution = solve(problem);
  return layout.model(solution.parameters, solution.standard_errors);
}

double ranks_per_node_doubt(const Model& joint, const Inputs& asked, double a_node) {
  const auto terms = terms_of(joint);
  const double now = std::max(asked.ranks / asked.nodes, 1.0);
  const double of_ranks = latency_of_ranks(terms, a_node, true);
  const double of_nodes = terms.per_node * (asked.nodes - 1);
  const double bytes = asked.size * terms.inter;
  const auto [least, most] = std::minmax({of_ranks, of_ranks * now / a_node});
  const auto [fastest, slowest] = std::minmax({bytes, bytes * a_node / now});
  const double joint_seconds = seconds(terms, asked);
  return std::max(std::log(joint_seconds / sharpen(least + of_nodes, fastest, terms.sharpness)),
                  std::log(sharpen(most + of_nodes, slowest, terms.sharpness) / joint_seconds));
}

bool speaks_of_tier(const Model& model, const std::string& tier) {
  return parameter_or(model, "inverse_bandwidth_" + tier, 0) > 0;
}

}  // namespace moecal::calibration

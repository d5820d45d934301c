// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/expert_exchange.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "calibration/least_squares.hpp"
#include "calibration/log_fit.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

enum Which {
  kLatency,
  kPerGroup,
  kLatencyPerByte,
  kPerToken,
  kPerCopy,
  kInverseBandwidth,
  kSharpness,
  kCount
};

constexpr std::array<LogParameter, kCount> kParameters{
    {{"latency", "s", 1e-9, 1, 1e-5, 2},
     {"latency_per_group", "s", 1e-12, 1e-2, 1e-6, 3},
     {"latency_per_byte", "s/B", 1e-16, 1e-6, 1e-10, 3},
     {"per_token", "s", 1e-13, 1e-2, 1e-7, 4},
     {"per_copy", "s", 1e-13, 1e-3, 1e-9, 4},
     {"inverse_bandwidth", "s/B", 1e-15, 1e-6, 1e-12, 2},
     {"sharpness", "1", 0.4, 8, 1, 1}}};

using Values = std::array<double, kCount>;

/// Those that a fit moves, ascending, and what the others are.
struct Fitted {
  std::vector<std::size_t> which;
  std::vector<LogParameter> parameters{};

  explicit Fitted(std::vector<std::size_t> chosen) : which{std::move(chosen)} {
    for (const std::size_t i : which) parameters.push_back(kParameters[i]);
  }
  [[nodiscard]] Values values(std::span<const double> fitted) const {
    Values all{};
    all[kSharpness] = 1;
    for (std::size_t i = 0; i < which.size(); ++i) all[which[i]] = fitted[i];
    return all;
  }
};

/// Copies of ranks have no groups, and so no latency of them.
Fitted of_copies(Copies copies) {
  Fitted all{{kLatency, kLatencyPerByte, kPerToken, kPerCopy, kInverseBandwidth, kSharpness}};
  if (copies == Copies::per_rank) return all;
  return Fitted{
      {kLatency, kPerGroup, kLatencyPerByte, kPerToken, kPerCopy, kInverseBandwidth, kSharpness}};
}

/// What the parameters of a call's two sides are multiplied by; the last has no factor.
using Factors = std::array<double, kSharpness>;

Factors factors_of(const ExchangeSystem& system, const Inputs& inputs) {
  const auto& x = inputs.exchange;
  if (system.copies == Copies::per_rank) {
    const double copies = x.tokens * expected_ranks(x.experts, x.top_k, system.ranks);
    return {1, 0, x.row, x.tokens, copies, copies * x.row};
  }
  const double groups =
      system.multiprocessors > 0 ? std::ceil(x.experts / system.multiprocessors) : 1;
  const double lanes = std::ceil(x.experts / groups), copies = x.tokens * x.top_k;
  return {1, groups, x.row, x.tokens / lanes, copies, copies * x.row};
}

/// The two sides and their join.
struct Sides {
  double latency, work;
  double latency_share;  // of the sides' q-th powers
  double log_seconds;
  double corner;  // derivative of log_seconds by log q
};

Sides sides_of(std::span<const double> p, const Factors& factors) {
  double latency = 0, work = 0;
  for (std::size_t i = 0; i < factors.size(); ++i)
    (i < kPerToken ? latency : work) += p[i] * factors[i];
  const double larger = std::max(latency, work), q = p[kSharpness];
  const double log_ratio = std::log(std::min(latency, work) / larger);
  const double power = std::exp(q * log_ratio), log_join = std::log1p(power) / q;
  const double smaller_share = power / (1 + power);
  return {latency, work, latency >= work ? 1 - smaller_share : smaller_share,
          std::log(larger) + log_join, smaller_share * log_ratio - log_join};
}

/// Derivatives of the log seconds by the logarithms of the parameters.
void slopes_of(std::span<const double> p, const Factors& factors, const Sides& sides,
               std::span<double> slopes) {
  for (std::size_t i = 0; i < factors.size(); ++i)
    slopes[i] = p[i] * factors[i] *
                (i < kPerToken ? sides.latency_share / sides.latency
                               : (1 - sides.latency_share) / sides.work);
  slopes[kSharpness] = sides.corner;
}

Values values_of(const Model& model) {
  Values values{};
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = parameter_or(model, kParameters[i].name, i == kSharpness ? 1 : 0);
  return values;
}

ExchangeSystem system_of(const Model& model) {
  return {parameter(model, "ranks"), parameter_or(model, "multiprocessors", 0),
          parameter(model, "one_copy_per_expert") != 0 ? Copies::per_expert : Copies::per_rank};
}

double seconds(const Model& model, const Inputs& inputs) {
  return std::exp(sides_of(values_of(model), factors_of(system_of(model), inputs)).log_seconds);
}

std::unique_ptr<PreparedForm> prepare_exchange(const Model& model) {
  return prepared_function(
      [values = values_of(model), system = system_of(model)](const Inputs& call) {
        return std::exp(sides_of(values, factors_of(system, call)).log_seconds);
      });
}

LogSecondsOfRows rows_of(const ExchangeSystem& system, const Fitted& fitted,
                         std::span<const FitPoint> points) {
  std::vector<Factors> rows;
  for (const auto& point : points) rows.push_back(factors_of(system, point.inputs));
  return [rows = std::move(rows), fitted](std::span<const double> p, std::span<double> log_seconds,
                                          std::span<double> slopes) {
    const auto values = fitted.values(p);
    const std::size_t count = fitted.which.size();
    Values all{};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto sides = sides_of(values, rows[row]);
      log_seconds[row] = sides.log_seconds;
      if (slopes.empty()) continue;
      slopes_of(values, rows[row], sides, all);
      for (std::size_t i = 0; i < count; ++i) slopes[row * count + i] = all[fitted.which[i]];
    }
  };
}

/// `fitted` outlives the result. The last of its parameters is tried at each of `corners`.
LogFit fit_of(std::span<const FitPoint> points, const ExchangeSystem& system, const Fitted& fitted,
              const std::vector<double>& corners) {
  return {
      .parameters = fitted.parameters,
      .prepare_rows = [system, fitted](
                          std::span<const FitPoint> rows) { return rows_of(system, fitted, rows); },
      .starts =
          starts_of(points, fitted.parameters, {{0.8}, corners, fitted.parameters.size() - 1}),
      .least_damping = kFirmDamping};
}

Model model_of(const ExchangeSystem& system, std::vector<Parameter> parameters) {
  const bool per_expert = system.copies == Copies::per_expert;
  Model model;
  model.form = "expert_exchange";
  model.parameters = std::move(parameters);
  model.parameters.push_back({"ranks", system.ranks, "1", 0});
  if (per_expert) model.parameters.push_back({"multiprocessors", system.multiprocessors, "1", 0});
  model.parameters.push_back({"one_copy_per_expert", per_expert ? 1.0 : 0.0, "1", 0});
  return model;
}

/// Where a fit to more points ended.
std::vector<double> start_of(const Model& from, const Fitted& fitted) {
  std::vector<double> start;
  for (const auto& p : fitted.parameters) start.push_back(parameter(from, p.name));
  return start;
}

}  // namespace

double expected_ranks(double experts, double top_k, double ranks) {
  const double local = experts / ranks;  // of one rank
  double none = 1;                       // chance that a rank has none of the choices
  for (double chosen = 0; chosen < top_k && none > 0; ++chosen)
    none *= std::max(0.0, 1 - local / (experts - chosen));
  return ranks * (1 - none);
}

Form expert_exchange_form() {
  Form form{"expert_exchange", {}, seconds, prepare_exchange};
  for (const auto& p : kParameters)
    form.parameters.push_back(
        {p.name, p.unit, p.name == "latency" || p.name == "inverse_bandwidth"});
  form.parameters.push_back({"ranks", "1"});
  form.parameters.push_back({"multiprocessors", "1", false});
  form.parameters.push_back({"one_copy_per_expert", "1"});
  return form;
}

Model fit_expert_exchange(std::span<const FitPoint> points, const ExchangeSystem& system,
                          const Model* from) {
  if (points.size() < kExpertExchangePoints)
    throw InvalidInput{"the cost of an exchange with experts needs at least " +
                       std::to_string(kExpertExchangePoints) + " points"};
  const auto fitted = of_copies(system.copies);
  auto fit = fit_of(points, system, fitted, {0.8, 2.0});
  fit.wants_errors = from == nullptr;
  if (from != nullptr) fit.settled = kPolishedFold;
  return model_of(system, fit_logs(points, fit,
                                   from != nullptr ? started_from(start_of(*from, fitted))
                                                   : scout_logs(points, fit)));
}

Model fit_plain_exchange(std::span<const FitPoint> points, const ExchangeSystem& system) {
  if (points.size() < kPlainExchangePoints)
    throw InvalidInput{"the latency and bandwidth of an exchange with experts need at least " +
                       std::to_string(kPlainExchangePoints) + " points"};
  const Fitted fitted{{kLatency, kInverseBandwidth}};
  const auto fit = fit_of(points, system, fitted, {1e-12, 1e-10});
  return model_of(system, fit_logs(points, fit, scout_logs(points, fit)));
}

}  // namespace moecal::calibration

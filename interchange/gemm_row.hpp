// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/observation.hpp"
#include "interchange/printed_number.hpp"

/// What the importers of GEMM figures share.
namespace moecal::interchange {

/// C[m, n] = A[m, k] B[k, n].
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
  [[nodiscard]] Point point() const { return {{"m", m}, {"n", n}, {"k", k}}; }
};

/// A whole number from 1 to 10^9: of rows, ranks, calls; sizes in bytes are larger (bytes_of).
/// @throws InvalidInput "'m' is 'x', not a whole number above 0"
[[nodiscard]] std::int64_t count_of(std::string_view field, const std::string& name);

/// "14336x15360x2048" as M x N x K, or "4096x4096" as a square product of that order.
/// @throws InvalidInput
[[nodiscard]] GemmShape parse_shape(std::string_view text);

/// A time that is only known to lie between two bounds, in seconds.
struct TimeRange {
  double lo = 0;
  double hi = 0;
  [[nodiscard]] bool empty() const { return !(lo <= hi); }
  [[nodiscard]] double middle() const { return (lo + hi) / 2; }
};
/// The times that round to a printed figure: of a time itself (`unit` in seconds), or of a rate
/// (`unit` in work per second) for so much work.
[[nodiscard]] TimeRange time_of(const PrintedNumber& time, double unit);
[[nodiscard]] TimeRange time_of_rate(const PrintedNumber& rate, double unit, double work);
[[nodiscard]] TimeRange both(const TimeRange& a, const TimeRange& b);
/// The middle. @throws InvalidInput if the range is empty or wider than +-5 %: a figure printed
/// with too few digits is no measurement.
[[nodiscard]] double seconds_within(const TimeRange& range);

/// Operand types of a dense product by the word people use ("FP16", "bf16", "float8_e4m3fn");
/// nothing where moecal has no word (TF32, FP4).
[[nodiscard]] std::optional<Dtypes> gemm_dtypes(std::string_view word);

}  // namespace moecal::interchange

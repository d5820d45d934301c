// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/floor_source.hpp"

#include <algorithm>
#include <functional>

#include "core/collective.hpp"

namespace moecal::planning {
namespace {

// What a formula needs of the hardware and does not find; becomes Cost::missing.
struct MissingRate {
  std::string what;
};

double peak(const Hardware& hardware, const std::string& dtype) {
  for (const auto& name : {dtype, std::string{"default"}})
    if (const auto found = hardware.peak_flops.find(name); found != hardware.peak_flops.end())
      return found->second;
  throw MissingRate{"the peak of " + dtype};
}

double link(const Hardware& hardware, const std::string& tier) {
  const auto found = hardware.links.find(tier);
  if (found == hardware.links.end()) throw MissingRate{"the bandwidth of tier " + tier};
  return found->second;
}

double rate(const std::optional<double>& value, const char* what) {
  if (!value) throw MissingRate{what};
  return *value;
}

double element_bytes(const std::string& dtype) { return dtype == "fp8" || dtype == "int8" ? 1 : 2; }

// Time to move bytes through device memory; nothing where no bandwidth is given.
double memory_time(const Hardware& hardware, double bytes) {
  return hardware.memory ? bytes / *hardware.memory : 0;
}

// [m, k] x [k, n]: the arithmetic, or each operand and the result moved once.
double gemm(const Hardware& hardware, const CostCall& call, double groups) {
  const double m = call.number("m"), n = call.number("n"), k = call.number("k");
  const double bytes = groups * element_bytes(call.dtype) * (m * k + k * n + m * n);
  return std::max(2 * groups * m * n * k / peak(hardware, call.dtype),
                  memory_time(hardware, bytes));
}

// Causal: half of the s x s scores. Arithmetic only, the keys and values may stay on the chip.
double attention(const Hardware& hardware, const CostCall& call) {
  const double s = call.number("sequence");
  return 4 * call.number("batch") * s * s * call.number("heads") * call.number("head_width") / 2 /
         peak(hardware, call.dtype);
}

// The router GEMM, then float logits read and k (index, weight) pairs of 8 bytes written.
double gate(const Hardware& hardware, const CostCall& call) {
  CostCall router{
      "gemm",
      {{"m", call.number("tokens")}, {"n", call.number("experts")}, {"k", call.number("hidden")}},
      call.dtype,
      ""};
  const double bytes =
      call.number("tokens") * (4 * call.number("experts") + 8 * call.number("top_k"));
  return gemm(hardware, router, 1) + memory_time(hardware, bytes);
}

// t rows on one side, t x k rows on the other.
double permute(const Hardware& hardware, const CostCall& call) {
  return memory_time(hardware, call.number("tokens") * call.number("hidden") *
                                   (1 + call.number("top_k")) * element_bytes(call.dtype));
}

// Bytes that cross one rank's link per byte of the buffer.
double wire_share(const CostCall& call) {
  if (call.function == "all_reduce_nvls") return 1;
  return bus_factor(call.function,
                    call.function == "send_recv" ? 2 : static_cast<int>(call.number("group")));
}

double collective(const Hardware& hardware, const CostCall& call) {
  return wire_share(call) * call.number("bytes") / link(hardware, call.tier);
}

// Adam on the host reads gradient, master copy and two moments, and writes all but the gradient.
constexpr double kAdamBytesPerParameter = 28;

double seconds(const Hardware& hardware, const CostCall& call) {
  if (!call.tier.empty()) return collective(hardware, call);
  if (call.function == "gemm") return gemm(hardware, call, 1);
  if (call.function == "grouped_gemm") return gemm(hardware, call, call.number("groups"));
  if (call.function == "attn") return attention(hardware, call);
  if (call.function == "gate") return gate(hardware, call);
  if (call.function == "permute" || call.function == "unpermute") return permute(hardware, call);
  if (call.function == "h2d" || call.function == "d2h")
    return call.number("bytes") / rate(hardware.host_link, "the bandwidth between host and device");
  if (call.function == "cpu_adam")
    return kAdamBytesPerParameter * call.number("parameters") /
           rate(hardware.host_memory, "the host's memory bandwidth");
  return call.number("bytes") / rate(hardware.memory, "the memory bandwidth");  // stream
}

}  // namespace

Cost FloorSource::cost(const CostCall& call) const {
  try {
    const double value = seconds(hardware_, call);
    return {{{call.function, value, value, value, "", "nominal", {}}}, ""};
  } catch (const MissingRate& rate) {
    return {{}, hardware_.source + ": " + rate.what + " is not known"};
  }
}

}  // namespace moecal::planning

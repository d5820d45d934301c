// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/hopper_host.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>

#include "core/periodic_bytes.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "kernels/row_check.hpp"
#include "layers/moe_layer/layer_buffers.hpp"

namespace moecal::tests {
namespace {

using bench::Case;

// Pageable memory is staged by the driver, whose one core copies slower than the bus (64 GB/s).
constexpr double kBus = 6e9;
// A copy within HBM3 of 3.35 TB/s, by bytes written, at 72 % of that.
constexpr double kDeviceCopy = 1.2e12;
// New pages are mapped and zeroed by the kernel (about half a microsecond for 4 KiB), zeroed again
// by a vector and written.
constexpr double kTouch = 2e9;
// A block that the C library keeps when it is freed (glibc: of up to 32 MiB) is zeroed and written
// only. An AMD EPYC did so at 9 GB/s and more, where new pages took it 1.4.
constexpr double kTouchAgain = 6e9;
constexpr double kKept = 32.0 * 1024 * 1024;
// A multiply-add of a verification: 1.3 ns where a sum waits for each addition, as the oracles' do,
// 0.4 where it does not; a DGX H100 has 112 cores for eight cards.
constexpr double kSharedStep = 1e-9 / 14;
// An element that is decoded, rounded, compared; a choice that is drawn and placed.
constexpr double kStep = 5e-9;
// In multiply-adds, where all cores share the rows.
constexpr double kSharedSteps = 5;
// The host's part of a call to the runtime, and what it waits for it.
constexpr double kCall = 10e-6;
constexpr double kPin = 3e9;  // bytes a second: the pages are zeroed and locked
// A record's write and fsync, NVML's readings, the events and streams of a clock.
constexpr double kPoint = 5e-3;

double real(std::int64_t number) { return static_cast<double>(number); }
std::int64_t of(const Case& c, const char* name) { return c.point.at(name); }
double bytes_of(const std::string& dtype) { return real(size_of(parse_dtype(dtype))); }

HostWork operator*(double times, HostWork work) {
  for (double* part : {&work.uploaded, &work.expanded, &work.read_back, &work.touched, &work.shared,
                       &work.alone, &work.calls, &work.pinned})
    *part *= times;
  return work;
}

/// An input of a fill: one period is uploaded.
HostWork input(double elements, double element_bytes) {
  const double period = std::min(elements, static_cast<double>(kFillPeriod)) * element_bytes;
  return {.uploaded = period, .expanded = elements * element_bytes, .calls = 4};
}
/// At the rate of a copy, which reads too.
HostWork cleared(double bytes) { return {.expanded = bytes, .calls = 1}; }
HostWork table(double bytes) { return {.uploaded = bytes, .touched = bytes, .calls = 4}; }
HostWork buffer() { return {.calls = 2}; }
/// Of an operation with own kernels: a piece of a slab where there are many sets.
HostWork own_buffers(double count, int sets) {
  constexpr int kMany = 1000;
  return sets > kMany ? HostWork{} : count * buffer();
}
HostWork result_rows(double rows, double row_bytes) {
  return {.read_back = rows * row_bytes,
          .touched = rows * row_bytes,
          .alone = rows,
          .calls = rows / 10};
}

HostWork all_of(std::initializer_list<HostWork> parts) {
  HostWork sum;
  for (const auto& part : parts) sum += part;
  return sum;
}

/// Of rows of C = A B^T, as product_check does it.
HostWork product_check(const kernels::ExpertGemmProblem& problem, std::int64_t groups = 1) {
  constexpr double kWhole = 0x1p28, kBlock = 1024, kSamples = 256;
  const auto& [m, n, k] = problem.shape;
  const double rows = real(static_cast<std::int64_t>(rows_to_check(problem, groups).size()));
  auto work = result_rows(rows, real(n * size_of(problem.c)));
  const double flops = expert_gemm_work(problem).flops.value();
  const double blocks = std::ceil(real(n) / kBlock);
  work.shared = real(groups) * flops <= kWhole
                    ? flops / 2
                    : 2 * real(n * k) + rows * (real(k) * (1 + blocks) + real(n)) +
                          2 * kSamples / real(groups) * real(k);
  return work;
}

HostWork expert_gemm(const Case& c, int sets) {
  const auto problem = kernels::expert_gemm_problem(c.point, c.dtypes);
  const auto& [m, n, k] = problem.shape;
  const auto set = all_of({input(real(m * k), bytes_of(c.dtypes.a)),
                           input(real(n * k), bytes_of(c.dtypes.b)), buffer()});
  return all_of({sets * set, product_check(problem)});
}

HostWork grouped_gemm(const Case& c, int sets) {
  const auto problem = kernels::grouped_gemm_problem(c.point, c.dtypes, c.routing);
  const auto& [m, n, k] = problem.product.shape;
  const auto rows = group_rows(problem, 0);
  HostWork check;
  for (std::int64_t group = 0; group < problem.groups; ++group)
    if (rows[static_cast<std::size_t>(group)] > 0)
      check += product_check(group_problem(problem, rows, group), problem.groups);
  const auto set = all_of({input(real(problem.groups * m * k), bytes_of(c.dtypes.a)),
                           input(real(problem.groups * n * k), bytes_of(c.dtypes.b)), buffer()});
  return all_of({sets * set, sets * redraw_work("grouped_gemm", c), check});
}

HostWork attention(const Case& c, int sets) {
  const double queries = real(of(c, "batch") * of(c, "heads") * of(c, "sequence"));
  const double keys = real(of(c, "batch") * of(c, "kv_heads") * of(c, "sequence"));
  const double head = real(of(c, "head_size")), element = bytes_of(c.dtypes.a);
  const auto set = all_of({input(queries * head, element), input(keys * head, element),
                           input(keys * head, element), buffer(), buffer()});
  const double of_row = 2 * real(of(c, "sequence")) * head;
  const double rows = 2 * queries * of_row <= 0x1p28 ? queries : 64;
  auto check = result_rows(rows, head * element);
  check.shared = rows * of_row;
  return all_of({sets * set, check});
}

/// All that a draw's first launch left: every result and what lies between.
HostWork cleared_by(const layers::MoeLayerProblem& problem) {
  constexpr double kArrays = 14;
  const double values = real(problem.tokens * (problem.hidden - problem.experts));  // no logits
  auto work =
      cleared(layers::bytes_between(problem).value() + values * real(size_of(problem.values)));
  work.calls = kArrays;
  return work;
}

HostWork moe_layer(const Case& c, int sets) {
  const double hidden = real(of(c, "hidden")), inter = real(of(c, "inter"));
  const double experts = real(of(c, "experts")), tokens = real(of(c, "tokens"));
  const double operand = bytes_of(c.dtypes.a), value = bytes_of(c.dtypes.c);
  constexpr double kBuffers = 19;
  const auto set =
      all_of({input(tokens * hidden, value), input(experts * 2 * inter * hidden, operand),
              input(experts * hidden * inter, operand), kBuffers * buffer()});
  const double of_token = 3 * real(of(c, "top_k")) * hidden * inter;
  auto check = result_rows(tokens, hidden * value);
  check.shared = std::min(tokens, std::max(2.0, 0x1p29 / of_token)) * of_token;
  return all_of({sets * set, sets * redraw_work("moe_layer", c), check});
}

HostWork permute(const Case& c, int sets) {
  const double tokens = real(of(c, "tokens")), choices = tokens * real(of(c, "top_k"));
  const auto hidden = of(c, "hidden");
  const double element = bytes_of(c.dtypes.a);
  const auto set = all_of({input(tokens * real(hidden), element), buffer(), buffer()});
  const auto tokens_checked = bench::rows_to_check(of(c, "tokens"), hidden).size();
  const double checked = real(static_cast<std::int64_t>(tokens_checked));
  auto check = result_rows(checked * choices / tokens, real(hidden) * element);
  check.alone += choices + (c.dtypes.a == c.dtypes.c ? 0 : checked * real(hidden));
  return all_of({sets * set, sets * redraw_work("permute", c), check});
}

HostWork unpermute(const Case& c, int sets) {
  const double choices = real(of(c, "tokens") * of(c, "top_k"));
  const auto hidden = of(c, "hidden");
  const double element = bytes_of(c.dtypes.a);
  const auto set = all_of({input(choices * real(hidden), element), buffer()});
  const auto tokens_checked = bench::rows_to_check(of(c, "tokens"), hidden).size();
  const double checked = real(static_cast<std::int64_t>(tokens_checked));
  auto check = result_rows(checked, real(hidden) * element);
  check.alone += choices;
  check.shared += kSharedSteps * checked * real(of(c, "top_k") * hidden);
  return all_of({sets * set, sets * redraw_work("unpermute", c), check});
}

HostWork topk_gate(const Case& c, int sets) {
  const double tokens = real(of(c, "tokens")), experts = real(of(c, "experts"));
  const double choices = tokens * real(of(c, "top_k"));
  const double pool = std::max(tokens, std::clamp(8 * tokens, 8192.0, 65536.0));
  const double logits = pool * experts * bytes_of(c.dtypes.a);
  const HostWork drawn{.alone = pool * (experts + real(of(c, "top_k")) * (experts / 2 + 5)) / 5};
  const auto check =
      all_of({result_rows(0, 0),
              HostWork{.read_back = tokens * experts * bytes_of(c.dtypes.a) + 16 * choices,
                       .touched = 2 * tokens * experts * bytes_of(c.dtypes.a) + 32 * choices,
                       .shared = kSharedSteps * 2 * tokens * experts,
                       .alone = choices}});
  return all_of({table(logits), drawn, sets * own_buffers(8, sets),
                 sets * redraw_work("topk_gate", c), check});
}

HostWork quantize(const Case& c, int sets) {
  const auto tokens = of(c, "tokens"), hidden = of(c, "hidden");
  const auto set = all_of({input(real(tokens * hidden), bytes_of(c.dtypes.a)), 3.0 * buffer()});
  const auto checked = bench::rows_to_check(tokens, hidden).size();
  auto check = result_rows(real(static_cast<std::int64_t>(checked)), 3 * real(hidden));
  check.alone += real(static_cast<std::int64_t>(checked) * hidden) + 0x1p20;
  return all_of({sets * set, check});
}

HostWork swiglu(const Case& c, int sets) {
  const auto tokens = of(c, "tokens"), inner = of(c, "inner");
  const auto set = all_of({input(real(2 * tokens * inner), bytes_of(c.dtypes.a)), 2.0 * buffer()});
  const auto checked = bench::rows_to_check(tokens, inner).size();
  auto check = result_rows(real(static_cast<std::int64_t>(checked)), 6 * real(inner));
  check.shared += kSharedSteps * 3 * real(static_cast<std::int64_t>(checked) * inner);
  return all_of({sets * set, check});
}

/// Compared whole, piece by piece.
HostWork memory_copy(const Case& c, int sets) {
  const double bytes = real(of(c, "bytes"));
  return all_of({sets * all_of({input(bytes, 1), buffer(), cleared(bytes)}),
                 HostWork{.read_back = bytes,
                          .touched = std::min(bytes, 0x1p26),
                          .alone = bytes / 50,
                          .calls = bytes / 0x1p26}});
}

HostWork memory_stream(const Case& c, int sets) {
  const double elements = real(of(c, "bytes")) / 4;
  const auto check = result_rows(std::min(elements / 4096, 2048.0), 3 * 16384);
  return all_of({sets * (real(of(c, "reads")) * input(elements, 4)), sets * buffer(), check,
                 HostWork{.alone = std::min(elements, 0x1p23)}});
}

/// Of one way; page-locked on the average.
HostWork host_transfer(const Case& c, int) {
  const double bytes = real(of(c, "bytes"));
  return {
      .read_back = bytes / 2, .touched = bytes, .alone = bytes / 50, .calls = 20, .pinned = bytes};
}

/// The threads that update the states also make them.
HostWork host_adam(const Case& c, int sets) {
  constexpr double kStates = 18, kCores = 14;  // bytes of a parameter
  return {.touched = sets * real(of(c, "parameters")) * kStates / kCores};
}

/// That the host lays out for a draw: none, or one for so many summed indices of each row.
double token_scales(const Case& c, double rows, std::int64_t k) {
  const auto block = kernels::scale_block(c.dtypes.scale_mode, kernels::Operand::tokens, k).inner;
  return block == 0 ? 0 : rows * std::ceil(real(k) / real(block));
}

HostWork launch(const Case&, int) { return {.calls = 20}; }

}  // namespace

HostWork& HostWork::operator+=(const HostWork& other) {
  uploaded += other.uploaded;
  expanded += other.expanded;
  read_back += other.read_back;
  touched += other.touched;
  shared += other.shared;
  alone += other.alone;
  calls += other.calls;
  pinned += other.pinned;
  return *this;
}

HostWork host_work(const std::string& operation, const Case& c, int sets) {
  static const std::map<std::string, std::function<HostWork(const Case&, int)>> kOperations{
      {"expert_gemm", expert_gemm},
      {"grouped_gemm", grouped_gemm},
      {"attention", attention},
      {"moe_layer", moe_layer},
      {"permute", permute},
      {"unpermute", unpermute},
      {"topk_gate", topk_gate},
      {"quantize", quantize},
      {"swiglu", swiglu},
      {"memory_copy", memory_copy},
      {"memory_stream", memory_stream},
      {"host_transfer", host_transfer},
      {"host_adam", host_adam},
      {"launch", launch}};
  const auto found = kOperations.find(operation);
  if (found == kOperations.end())
    throw std::out_of_range{
        "tests/hopper_host.cpp does not say what the host does for a point of " + operation};
  return found->second(c, sets);
}

HostWork redraw_work(const std::string& operation, const Case& c) {
  if (!c.routed) return {};
  if (operation == "grouped_gemm") {  // every group planned anew, a graph of them, a result cleared
    const double groups = real(of(c, "groups"));
    const double scales = token_scales(c, groups * real(of(c, "m")), of(c, "k"));
    return {.uploaded = 4 * scales,
            .expanded = groups * real(of(c, "m") * of(c, "n")) * bytes_of(c.dtypes.c),
            .alone = groups * real(of(c, "m")) * (groups + 5) / 5 + scales,
            .calls = 3 * groups + (scales > 0 ? 24 : 21)};
  }
  const double choices = real(of(c, "tokens") * of(c, "top_k"));
  HostWork work = table(4 * choices);
  work.alone = 2 * choices;
  // Of a pool a draw takes no more; else every token is drawn: 0.1 us of an AMD EPYC with 16
  // experts, 0.15 with 64.
  if (c.routing.distribution == "power_law")
    work.alone += real(of(c, "tokens") * (of(c, "experts") + 80)) / 5;
  if (operation == "moe_layer") {
    const double experts = real(of(c, "experts"));
    work.alone += real(of(c, "tokens")) * (2 * experts + 40) / 5;
    work.calls += 6 * experts + 40;
    work += cleared_by(layers::moe_layer_problem(c.point, c.dtypes, c.routing));
  }
  return work;
}

HostWork marking_work(int sets) { return {.calls = 2 * std::min(real(sets), 1000.0)}; }

double host_seconds(const HostWork& work) {
  return kPoint + (work.uploaded + work.read_back) / kBus + work.expanded / kDeviceCopy +
         work.touched / (work.touched <= kKept ? kTouchAgain : kTouch) + work.shared * kSharedStep +
         work.alone * kStep + work.calls * kCall + work.pinned / kPin;
}

}  // namespace moecal::tests

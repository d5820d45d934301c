// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/dtype.hpp"
#include "interchange/aiconfigurator_tables.hpp"

namespace moecal::interchange {
namespace {

/// gemm_dtype -> operand types. fp8 is scaled per tensor; fp8_block has a scale for each 1x128 of
/// the activations and each 128x128 of the weights. Results are bf16.
const std::map<std::string, Dtypes>& gemm_types() {
  static const std::map<std::string, Dtypes> kTypes{
      {"bfloat16", {"bf16", "bf16", "bf16", "f32", "none", ""}},
      {"float16", {"f16", "f16", "f16", "f32", "none", ""}},
      {"fp8", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""}},
      {"fp8_block", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "block_1x128", ""}}};
  return kTypes;
}

Work gemm_work(const Point& point, const Dtypes& dtypes) {
  const auto m = static_cast<double>(point.at("m"));
  const auto n = static_cast<double>(point.at("n"));
  const auto k = static_cast<double>(point.at("k"));
  const auto operand = static_cast<double>(size_of(parse_dtype(dtypes.a)));
  const auto result = static_cast<double>(size_of(parse_dtype(dtypes.c)));
  Work work;
  work.flops = Flops{2 * m * n * k};
  work.read = Bytes{(m * k + k * n) * operand};
  work.written = Bytes{m * n * result};
  return work;
}

void take(const CsvRow& row, const Card& card, Collector& collector) {
  const auto dtypes = gemm_types().find(row.text("gemm_dtype"));
  if (dtypes == gemm_types().end()) return collector.leave_out("dtype " + row.text("gemm_dtype"));
  auto o = timed_row(row, collector, row.number("latency") / 1e3, "latency");
  o.operation = "expert_gemm";
  o.backend = "cuda";
  o.dtypes = dtypes->second;
  o.point = {{"m", row.count("m")}, {"n", row.count("n")}, {"k", row.count("k")}};
  o.work = gemm_work(o.point, o.dtypes);
  const auto framework = row.text("framework").empty() ? "unknown" : slug(row.text("framework"));
  const auto kernel = row.text("kernel_source");
  // One kernel of one framework is one way to run a GEMM: releases and kernels are not mixed.
  o.implementation = kernel.empty() ? framework : framework + "-" + slug(kernel);
  o.library = {framework, release_of(row), kernel.empty() ? "unknown" : kernel, 0};
  take_table_row(row, card, collector, std::move(o));
}

}  // namespace

AiconfiguratorTable aiconfigurator_gemms() {
  return {{"gemm_dtype", "m", "n", "k", "latency"}, take};
}

}  // namespace moecal::interchange

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/dtype.hpp"
#include "interchange/aiconfigurator_tables.hpp"

namespace moecal::interchange {
namespace {

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
  const auto dtypes = operand_types(row.text("gemm_dtype"));
  if (!dtypes) return collector.leave_out("dtype " + row.text("gemm_dtype"));
  auto o = timed_row(row, collector, row.number("latency") / 1e3, "latency");
  o.operation = "expert_gemm";
  o.backend = "cuda";
  o.dtypes = *dtypes;
  o.point = {{"m", row.count("m")}, {"n", row.count("n")}, {"k", row.count("k")}};
  o.work = gemm_work(o.point, o.dtypes);
  set_kernel(row, o);
  take_table_row(row, card, collector, std::move(o));
}

}  // namespace

AiconfiguratorTable aiconfigurator_gemms() {
  return {{"gemm_dtype", "m", "n", "k", "latency"}, take};
}

}  // namespace moecal::interchange

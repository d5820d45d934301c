// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/deciding_settings.hpp"

#include <gmock/gmock.h>

#include <set>

#include "calibration/testing/synthetic_settings.hpp"

// Times of one machine set to two things are two series: a median of both is true of neither.
namespace moecal::calibration {
namespace {

using testing::HasSubstr;

using synthetic::all_reduce;
using synthetic::all_reduces;
using synthetic::fitted;
using synthetic::gemm;
using synthetic::gemms;
using synthetic::set_to;

TEST(DecidingSettings, AreThoseOfTheOperation) {
  auto exchange = synthetic::observation("all_reduce", {{"bytes", 8}}, 1);
  auto product = synthetic::observation("expert_gemm", {{"m", 1}, {"n", 1}, {"k", 1}}, 1);
  product.backend = "cuda";
  const auto environment = set_to({{"NCCL_ALGO", "Ring"},
                                   {"NCCL_DEBUG", "INFO"},
                                   {"network", "eth0"},
                                   {"power_limit_watts", "700.0"},
                                   {"threads", "8"}});
  EXPECT_EQ(deciding_settings(exchange, environment), (Settings{{"NCCL_ALGO", "Ring"}}));
  EXPECT_EQ(deciding_settings(product, environment), (Settings{{"power_limit_w", "700"}}));
  product.backend = "cpu";
  EXPECT_EQ(deciding_settings(product, environment), (Settings{{"threads", "8"}}));
}

TEST(DecidingSettings, AreNotWhatIsLoggedOrBuiltWith) {
  const auto exchange = synthetic::observation("all_reduce", {{"bytes", 8}}, 1);
  for (const char* name : {"NCCL_VERSION", "NCCL_HOME", "NCCL_ROOT", "NCCL_DIR", "NCCL_DEBUG_FILE",
                           "NCCL_SOCKET_IFNAME", "NCCL_GRAPH_DUMP_FILE", "NCCL_PROXY_DUMP_SIGNAL",
                           "NCCL_IGNORE_NET_MISMATCH", "NCCL_CONF_FILE", "UCX_LOG_LEVEL",
                           "FI_LOG_LEVEL", "OMPI_MCA_btl_tcp_if_include", "OMP_NUM_THREADS"})
    EXPECT_TRUE(deciding_settings(exchange, set_to({{name, "1"}})).empty()) << name;
  for (const char* name : {"NCCL_ALGO",
                           "NCCL_PROTO",
                           "NCCL_MIN_NCHANNELS",
                           "NCCL_MAX_CTAS",
                           "NCCL_BUFFSIZE",
                           "NCCL_NTHREADS",
                           "NCCL_P2P_LEVEL",
                           "NCCL_SHM_DISABLE",
                           "NCCL_NET",
                           "NCCL_NET_GDR_LEVEL",
                           "NCCL_IB_HCA",
                           "NCCL_NVLS_ENABLE",
                           "NCCL_CUMEM_ENABLE",
                           "NCCL_COLLNET_ENABLE",
                           "NCCL_CROSS_NIC",
                           "NCCL_SOCKET_NTHREADS",
                           "NCCL_NSOCKS_PERTHREAD",
                           "NCCL_PXN_DISABLE",
                           "NCCL_GRAPH_REGISTER",
                           "NCCL_CGA_CLUSTER_SIZE",
                           "NCCL_NVB_DISABLE",
                           "NCCL_PAT_ENABLE",
                           "NCCL_RINGS",
                           "NCCL_TREE_THRESHOLD",
                           "NCCL_PROXY_CPUSET",
                           "NCCL_IGNORE_DISABLED_P2P",
                           "NCCL_LSA_TEAM_SIZE",
                           "RCCL_MSCCL_ENABLE",
                           "UCX_TLS",
                           "FI_PROVIDER",
                           "OMPI_MCA_pml"})
    EXPECT_FALSE(deciding_settings(exchange, set_to({{name, "1"}})).empty()) << name;
}

// Ranks with other names for their host take another path; the names themselves are of a run.
TEST(DecidingSettings, AHostIdIsThereOrNot) {
  const auto exchange = synthetic::observation("all_reduce", {{"bytes", 8}}, 1);
  for (const char* name : {"node1", "node2"})
    EXPECT_EQ(deciding_settings(exchange, set_to({{"NCCL_HOSTID", name}})),
              (Settings{{"NCCL_HOSTID", "set"}}));
}

TEST(DecidingSettings, HaveOneWordAndOneValueHoweverTheyAreAskedFor) {
  using Setting = std::pair<std::string, std::string>;
  EXPECT_EQ(in_own_words("power_limit_watts", "500.0"), (Setting{"power_limit_w", "500"}));
  EXPECT_EQ(in_own_words("power_limit_w", "unrecorded"), (Setting{"power_limit_w", "unrecorded"}));
  EXPECT_EQ(in_own_words("NCCL_HOSTID", "node1"), (Setting{"NCCL_HOSTID", "set"}));
  EXPECT_EQ(in_own_words("NCCL_HOSTID", "unset"), (Setting{"NCCL_HOSTID", "unset"}));
  EXPECT_EQ(in_own_words("NCCL_ALGO", "500.0"), (Setting{"NCCL_ALGO", "500.0"}));
}

TEST(DecidingSettings, ThatAreEmptyOrCalledUnsetAreNotThere) {
  const auto exchange = synthetic::observation("all_reduce", {{"bytes", 8}}, 1);
  for (const char* value : {"", "unset", "unrecorded"})
    EXPECT_TRUE(deciding_settings(exchange, set_to({{"NCCL_ALGO", value}})).empty()) << value;
  const auto coefficients =
      fitted({all_reduces({{"NCCL_ALGO", ""}}, 1), all_reduces({{"NCCL_ALGO", "unset"}}, 1),
              all_reduces({}, 1), all_reduces({{"NCCL_ALGO", "Ring"}}, 2)});
  EXPECT_NO_THROW((void)parse_coefficients(to_json(coefficients), "c.json"));
  std::set<Settings> known;
  for (const auto& model : coefficients.models) known.insert(model.conditions.settings);
  EXPECT_EQ(known, (std::set<Settings>{{{"NCCL_ALGO", "Ring"}}, {{"NCCL_ALGO", "unset"}}}));
}

TEST(DecidingSettings, ThatOneLeftOutAreThoseOfTheOthers) {
  const auto coefficients =
      fitted({gemms({{"power_limit_w", "700"}}, 1e15),
              gemms({{"power_limit_w", "700"}, {"application_sm_clock_mhz", "1980"}}, 1e15),
              gemms({}, 1e15)});
  ASSERT_EQ(coefficients.models.size(), 1u);
  EXPECT_TRUE(coefficients.models.front().conditions.settings.empty());
}

TEST(DecidingSettings, ThatOneLeftOutMakeNobodyAsk) {
  auto coefficients = fitted({gemms({{"power_limit_w", "700"}}, 7e14),
                              gemms({{"power_limit_w", "350"}}, 35e13), gemms({}, 1e14)});
  ASSERT_EQ(coefficients.models.size(), 3u);
  EXPECT_TRUE(predict(coefficients, gemm()).several_settings);
  std::erase_if(coefficients.models, [](const Model& model) {
    return model.conditions.settings.at("power_limit_w") == "350";
  });
  const auto answer = predict(coefficients, gemm());
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, 1e-6 + 2.0 * 4096 * 2048 * 1024 / 7e14, 1e-6);
  EXPECT_THAT(answer.prediction->flags,
              testing::Contains(HasSubstr("as measured with power_limit_w=700; measured too, and "
                                          "different: power_limit_w=unrecorded")));
}

TEST(DecidingSettings, ThatAllShareAreNoCondition) {
  const auto coefficients = fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1)});
  for (const auto& model : coefficients.models) EXPECT_TRUE(model.conditions.settings.empty());
  EXPECT_EQ(to_json(coefficients).find("NCCL_ALGO"), std::string::npos);
}

TEST(DecidingSettings, ThatDifferMakeSeriesAndAreAskedFor) {
  const auto coefficients =
      parse_coefficients(to_json(fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1),
                                         all_reduces({{"NCCL_ALGO", "Tree"}}, 3)})),
                         "c.json");
  auto query = all_reduce(1 << 20);
  const auto unsaid = predict(coefficients, query);
  EXPECT_FALSE(unsaid.prediction);
  EXPECT_TRUE(unsaid.several_settings);
  EXPECT_THAT(unsaid.missing, HasSubstr("choose one of: NCCL_ALGO=Ring, NCCL_ALGO=Tree"));
  const double ring = 1e-5 + (1 << 20) / 1e10;
  query.settings = {{"NCCL_ALGO", "Ring"}};
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, ring, 1e-3 * ring);
  query.settings = {{"NCCL_ALGO", "Tree"}};
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, 3 * ring, 3e-3 * ring);
  query.settings = {{"NCCL_ALGO", "NVLS"}};
  EXPECT_THAT(predict(coefficients, query).missing, HasSubstr("set to NCCL_ALGO=NVLS"));
}

TEST(DecidingSettings, WhatIsUnsetAnswersBeforeWhatIsSet) {
  const auto coefficients = fitted({all_reduces({{"NCCL_ALGO", "Ring"}}, 1), all_reduces({}, 3)});
  const auto answer = predict(coefficients, all_reduce(1 << 20));
  ASSERT_TRUE(answer.prediction);
  EXPECT_NEAR(answer.prediction->seconds, 3 * (1e-5 + (1 << 20) / 1e10), 1e-6);
  EXPECT_THAT(answer.prediction->flags, testing::Contains(HasSubstr("different: NCCL_ALGO=Ring")));
}

TEST(DecidingSettings, APowerLimitIsOneOfAProduct) {
  const auto coefficients = fitted(
      {gemms({{"power_limit_w", "1000"}}, 1e15), gemms({{"power_limit_watts", "700"}}, 7e14)});
  auto query = gemm();
  EXPECT_TRUE(predict(coefficients, query).several_settings);
  const double flops = 2.0 * 4096 * 2048 * 1024;
  for (const auto& [limit, rate] : {std::pair{"1000", 1e15}, std::pair{"700", 7e14}}) {
    query.settings = {{"power_limit_w", limit}};
    EXPECT_NEAR(predict(coefficients, query).prediction->seconds, 1e-6 + flops / rate, 1e-7);
  }
}

}  // namespace
}  // namespace moecal::calibration

# examples: built by make, run by the tests, installed as sources
noinst_PROGRAMS += \
	examples/01_publish examples/02_attach \
	examples/03_optional examples/03_optional_nopie \
	examples/wordcount/split examples/wordcount/map examples/wordcount/reduce

example_cppflags = -D_GNU_SOURCE -I$(top_srcdir)/include

examples_01_publish_SOURCES = examples/01_publish.c examples/shapes.h
examples_01_publish_CPPFLAGS = $(example_cppflags)
examples_01_publish_LDADD = librmmap.la
examples_01_publish_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_02_attach_SOURCES = examples/02_attach.c examples/shapes.h
examples_02_attach_CPPFLAGS = $(example_cppflags)
examples_02_attach_LDADD = librmmap.la
examples_02_attach_LDFLAGS = $(AM_LDFLAGS) -no-install

# a weak reference is NULL in a program that is not PIE: dlsym must work in both
examples_03_optional_SOURCES = examples/03_optional.c
examples_03_optional_CPPFLAGS = $(example_cppflags)
examples_03_optional_CFLAGS = $(AM_CFLAGS) -fPIE
examples_03_optional_LDFLAGS = $(AM_LDFLAGS) -XCClinker -pie
examples_03_optional_nopie_SOURCES = examples/03_optional.c
examples_03_optional_nopie_CPPFLAGS = $(example_cppflags)
examples_03_optional_nopie_CFLAGS = $(AM_CFLAGS) -fno-pie
examples_03_optional_nopie_LDFLAGS = $(AM_LDFLAGS) -XCClinker -no-pie

wordcount_common = examples/wordcount/handoff.c examples/wordcount/need.c \
	examples/wordcount/text.c examples/wordcount/table.c examples/wordcount/words.h
examples_wordcount_split_SOURCES = examples/wordcount/split.c $(wordcount_common)
examples_wordcount_split_CPPFLAGS = $(example_cppflags)
examples_wordcount_split_LDADD = librmmap.la
examples_wordcount_split_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_wordcount_map_SOURCES = examples/wordcount/map.c $(wordcount_common)
examples_wordcount_map_CPPFLAGS = $(example_cppflags)
examples_wordcount_map_LDADD = librmmap.la
examples_wordcount_map_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_wordcount_reduce_SOURCES = examples/wordcount/reduce.c $(wordcount_common)
examples_wordcount_reduce_CPPFLAGS = $(example_cppflags)
examples_wordcount_reduce_LDADD = librmmap.la
examples_wordcount_reduce_LDFLAGS = $(AM_LDFLAGS) -no-install

examplesdir = $(docdir)/examples
dist_examples_DATA = examples/01_publish.c examples/02_attach.c examples/03_optional.c \
	examples/shapes.h
wordcountdir = $(examplesdir)/wordcount
dist_wordcount_DATA = examples/wordcount/split.c examples/wordcount/map.c \
	examples/wordcount/reduce.c examples/wordcount/table.c examples/wordcount/text.c \
	examples/wordcount/need.c examples/wordcount/handoff.c \
	examples/wordcount/words.h
dist_wordcount_SCRIPTS = examples/wordcount/wordcount.sh

# ---- the word count as a Slurm job ----
slurmdir = $(examplesdir)/slurm
dist_slurm_DATA = examples/slurm/README
dist_slurm_SCRIPTS = examples/slurm/wordcount.sbatch examples/slurm/on-node

# ---- the word count as functions: modules for rmmap function, and what has them call one another ----
function_modules = examples/knative/wordcount/split.la examples/knative/wordcount/map.la \
	examples/knative/wordcount/reduce.la
noinst_LTLIBRARIES += $(function_modules)
counting_sources = examples/knative/wordcount/calling.h examples/wordcount/need.c \
	examples/wordcount/text.c examples/wordcount/table.c examples/wordcount/words.h
examples_knative_wordcount_split_la_SOURCES = examples/knative/wordcount/split.c $(counting_sources)
examples_knative_wordcount_split_la_CPPFLAGS = $(example_cppflags)
examples_knative_wordcount_split_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
examples_knative_wordcount_map_la_SOURCES = examples/knative/wordcount/map.c $(counting_sources)
examples_knative_wordcount_map_la_CPPFLAGS = $(example_cppflags)
examples_knative_wordcount_map_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
examples_knative_wordcount_reduce_la_SOURCES = examples/knative/wordcount/reduce.c $(counting_sources)
examples_knative_wordcount_reduce_la_CPPFLAGS = $(example_cppflags)
examples_knative_wordcount_reduce_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
knativedir = $(examplesdir)/knative
dist_knative_DATA = examples/knative/README examples/knative/Containerfile \
	examples/knative/services.yaml examples/knative/flows.yaml
functionsdir = $(examplesdir)/knative/wordcount
dist_functions_DATA = examples/knative/wordcount/split.c examples/knative/wordcount/map.c \
	examples/knative/wordcount/reduce.c examples/knative/wordcount/calling.h
dist_functions_SCRIPTS = examples/knative/wordcount/sequence.sh

# ---- the paper's workflows, in three ways: what they need beside rmmap is optional ----
EXTRA_DIST += examples/workflows/README \
	examples/workflows/wordcount/workflow examples/workflows/finra/workflow \
	examples/workflows/training/workflow examples/workflows/prediction/workflow
if HAVE_MSGPACK_REDIS
noinst_LTLIBRARIES += libway.la
way_cflags = $(AM_CFLAGS) $(MSGPACK_CFLAGS) $(HIREDIS_CFLAGS)
libway_la_SOURCES = examples/workflows/common/way.c examples/workflows/common/way.h \
	examples/workflows/common/ways.h examples/workflows/common/message.c \
	examples/workflows/common/messaging.c examples/workflows/common/storage.c \
	examples/workflows/common/rmmap.c examples/wordcount/need.c
libway_la_CPPFLAGS = $(example_cppflags)
libway_la_CFLAGS = $(way_cflags)
libway_la_LIBADD = $(MSGPACK_LIBS) $(HIREDIS_LIBS)

noinst_PROGRAMS += examples/workflows/common/conduct
examples_workflows_common_conduct_SOURCES = examples/workflows/common/conduct.c \
	examples/workflows/common/conduct.h examples/workflows/common/stages.c \
	examples/workflows/common/memory.c examples/workflows/common/ending.c
examples_workflows_common_conduct_CPPFLAGS = $(example_cppflags)

noinst_LTLIBRARIES += libcounting.la
libcounting_la_SOURCES = examples/workflows/wordcount/kinds.c examples/workflows/wordcount/kinds.h \
	examples/wordcount/table.c examples/wordcount/text.c
libcounting_la_CPPFLAGS = $(example_cppflags)
libcounting_la_CFLAGS = $(way_cflags)
libcounting_la_LIBADD = libway.la
noinst_PROGRAMS += examples/workflows/wordcount/split examples/workflows/wordcount/map \
	examples/workflows/wordcount/reduce
examples_workflows_wordcount_split_SOURCES = examples/workflows/wordcount/split.c
examples_workflows_wordcount_split_CPPFLAGS = $(example_cppflags)
examples_workflows_wordcount_split_CFLAGS = $(way_cflags)
examples_workflows_wordcount_split_LDADD = libcounting.la
examples_workflows_wordcount_map_SOURCES = examples/workflows/wordcount/map.c
examples_workflows_wordcount_map_CPPFLAGS = $(example_cppflags)
examples_workflows_wordcount_map_CFLAGS = $(way_cflags)
examples_workflows_wordcount_map_LDADD = libcounting.la
examples_workflows_wordcount_reduce_SOURCES = examples/workflows/wordcount/reduce.c
examples_workflows_wordcount_reduce_CPPFLAGS = $(example_cppflags)
examples_workflows_wordcount_reduce_CFLAGS = $(way_cflags)
examples_workflows_wordcount_reduce_LDADD = libcounting.la

noinst_LTLIBRARIES += libfinra.la
libfinra_la_SOURCES = examples/workflows/finra/finra.h examples/workflows/finra/kinds.c \
	examples/workflows/finra/table.c
libfinra_la_CPPFLAGS = $(example_cppflags)
libfinra_la_CFLAGS = $(way_cflags)
libfinra_la_LIBADD = libway.la
noinst_PROGRAMS += examples/workflows/finra/market examples/workflows/finra/portfolio \
	examples/workflows/finra/rule examples/workflows/finra/merge
examples_workflows_finra_market_SOURCES = examples/workflows/finra/market.c
examples_workflows_finra_market_CPPFLAGS = $(example_cppflags)
examples_workflows_finra_market_CFLAGS = $(way_cflags)
examples_workflows_finra_market_LDADD = libfinra.la
examples_workflows_finra_portfolio_SOURCES = examples/workflows/finra/portfolio.c
examples_workflows_finra_portfolio_CPPFLAGS = $(example_cppflags)
examples_workflows_finra_portfolio_CFLAGS = $(way_cflags)
examples_workflows_finra_portfolio_LDADD = libfinra.la
examples_workflows_finra_rule_SOURCES = examples/workflows/finra/rule.c examples/workflows/finra/rules.c \
	examples/workflows/finra/survey.c
examples_workflows_finra_rule_CPPFLAGS = $(example_cppflags)
examples_workflows_finra_rule_CFLAGS = $(way_cflags)
examples_workflows_finra_rule_LDADD = libfinra.la -lm
examples_workflows_finra_merge_SOURCES = examples/workflows/finra/merge.c
examples_workflows_finra_merge_CPPFLAGS = $(example_cppflags)
examples_workflows_finra_merge_CFLAGS = $(way_cflags)
examples_workflows_finra_merge_LDADD = libfinra.la

if HAVE_LEARNING
noinst_LTLIBRARIES += libdigits.la
libdigits_la_SOURCES = examples/workflows/ml/ml.h examples/workflows/ml/kinds.h \
	examples/workflows/ml/points.h examples/workflows/ml/kinds.c examples/workflows/ml/model.c \
	examples/workflows/ml/digits.c examples/workflows/ml/samples.c
libdigits_la_CPPFLAGS = $(example_cppflags)
libdigits_la_CFLAGS = $(way_cflags)
libdigits_la_LIBADD = libway.la $(SVM_LIBS) -lm
noinst_PROGRAMS += examples/workflows/ml/prepare examples/workflows/ml/train examples/workflows/ml/pick \
	examples/workflows/ml/fit examples/workflows/ml/model_of examples/workflows/ml/ask \
	examples/workflows/ml/predict examples/workflows/ml/combine
examples_workflows_ml_prepare_SOURCES = examples/workflows/ml/prepare.c
examples_workflows_ml_prepare_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_prepare_CFLAGS = $(way_cflags) $(GSL_CFLAGS)
examples_workflows_ml_prepare_LDADD = libdigits.la $(GSL_LIBS)
examples_workflows_ml_train_SOURCES = examples/workflows/ml/train.c
examples_workflows_ml_train_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_train_CFLAGS = $(way_cflags)
examples_workflows_ml_train_LDADD = libdigits.la
examples_workflows_ml_pick_SOURCES = examples/workflows/ml/pick.c
examples_workflows_ml_pick_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_pick_CFLAGS = $(way_cflags)
examples_workflows_ml_pick_LDADD = libdigits.la
examples_workflows_ml_fit_SOURCES = examples/workflows/ml/fit.c
examples_workflows_ml_fit_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_fit_CFLAGS = $(way_cflags)
examples_workflows_ml_fit_LDADD = libdigits.la
examples_workflows_ml_model_of_SOURCES = examples/workflows/ml/model_of.c
examples_workflows_ml_model_of_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_model_of_CFLAGS = $(way_cflags)
examples_workflows_ml_model_of_LDADD = libdigits.la
examples_workflows_ml_ask_SOURCES = examples/workflows/ml/ask.c
examples_workflows_ml_ask_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_ask_CFLAGS = $(way_cflags)
examples_workflows_ml_ask_LDADD = libdigits.la
examples_workflows_ml_predict_SOURCES = examples/workflows/ml/predict.c
examples_workflows_ml_predict_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_predict_CFLAGS = $(way_cflags)
examples_workflows_ml_predict_LDADD = libdigits.la
examples_workflows_ml_combine_SOURCES = examples/workflows/ml/combine.c
examples_workflows_ml_combine_CPPFLAGS = $(example_cppflags)
examples_workflows_ml_combine_CFLAGS = $(way_cflags)
examples_workflows_ml_combine_LDADD = libdigits.la
endif
endif
